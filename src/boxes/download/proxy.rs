//! The proxy that the environment asks for, by the customs of curl: `HTTPS_PROXY`, `HTTP_PROXY`,
//! `ALL_PROXY` and `NO_PROXY`, in capitals or not.

use ureq::Proxy;
use ureq::http::Uri;

/// The proxy for `url`, if there is to be one.
pub(super) fn of_environment(url: &str) -> Option<Proxy> {
    let variable = |name: &str| {
        let lower = std::env::var(name.to_ascii_lowercase());
        lower.or_else(|_| std::env::var(name)).ok().filter(|value| !value.is_empty())
    };
    choose(url, variable)
}

fn choose(url: &str, variable: impl Fn(&str) -> Option<String>) -> Option<Proxy> {
    let uri: Uri = url.parse().ok()?;
    let host = uri.host()?.to_ascii_lowercase();
    if is_this_computer(&host) || is_excepted(&host, &variable("NO_PROXY").unwrap_or_default()) {
        return None;
    }
    let own = if uri.scheme_str() == Some("https") { "HTTPS_PROXY" } else { "HTTP_PROXY" };
    let proxy = variable(own).or_else(|| variable("ALL_PROXY"))?;
    Proxy::new(&proxy).ok()
}

/// A proxy somewhere else cannot lead back here.
fn is_this_computer(host: &str) -> bool {
    matches!(host, "localhost" | "127.0.0.1" | "[::1]")
}

/// Whether a list such as `localhost,.example.org, 10.0.0.5` has the host. A name also stands for what is
/// below it, with or without a dot in front.
fn is_excepted(host: &str, list: &str) -> bool {
    list.split([',', ' ']).filter(|entry| !entry.is_empty()).any(|entry| {
        let entry = entry.to_ascii_lowercase();
        let name = entry.trim_start_matches('*').trim_start_matches('.');
        entry == "*" || host == name || (!name.is_empty() && host.ends_with(&format!(".{name}")))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(url: &str, environment: &[(&str, &str)]) -> Option<String> {
        let value = |name: &str| {
            environment.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        };
        choose(url, value).map(|proxy| format!("{}:{}", proxy.host(), proxy.port()))
    }

    #[test]
    fn each_scheme_has_its_own() {
        let environment = [("HTTPS_PROXY", "http://s:1"), ("HTTP_PROXY", "p:2"), ("ALL_PROXY", "http://a:3")];
        assert_eq!(chosen("https://x/", &environment).as_deref(), Some("s:1"));
        assert_eq!(chosen("http://x/", &environment).as_deref(), Some("p:2"));
        assert_eq!(chosen("http://x/", &environment[2..]).as_deref(), Some("a:3"));
        assert_eq!(chosen("http://x/", &environment[..1]), None);
        assert_eq!(chosen("http://x/", &[]), None);
    }

    #[test]
    fn some_hosts_are_reached_without() {
        let with = |list| [("ALL_PROXY", "http://a:3"), ("NO_PROXY", list)];
        for (url, list) in [
            ("http://localhost:80/x", ""),
            ("http://127.0.0.1:8000/x", ""),
            ("https://[::1]:8000/", ""),
            ("http://boxes.example.org/x", "other, .example.org"),
            ("http://boxes.example.org/x", "example.org"),
            ("http://example.org/x", "*.Example.org"),
            ("http://10.0.0.5:80/x", "10.0.0.5"),
            ("http://x/", "*"),
        ] {
            assert_eq!(chosen(url, &with(list)), None, "{url} {list}");
        }
        for (url, list) in [
            ("http://localhost.example/x", ""),
            ("http://10.0.0.1:80/127.0.0.1", "127.0.0.1"),
            ("http://notexample.org/x", "example.org"),
        ] {
            assert!(chosen(url, &with(list)).is_some(), "{url} {list}");
        }
    }
}
