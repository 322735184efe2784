//! Other tools of this computer get into the machines: ssh, scp, Ansible, a browser.

use std::process::Command;

use crate::common::TestLab;

const TWO: &str = "[lab]\nname = \"pair\"\nbox = \"demo\"\nmemory = \"128 MiB\"\n[machine.one]\n\
    forward = [{ host = 18096, guest = 8443, auto = true }, { host = 18095, guest = 80, auto = true }]\n[machine.two]\n";

#[test]
#[ignore = "starts real machines: run by scripts/test"]
fn other_tools_get_in() {
    let lab = TestLab::with_demo_box(TWO);
    let hosts = lab.root().join("hosts");
    let lab = lab.env("LAB_HOSTS_FILE", hosts.to_str().unwrap());
    std::fs::write(&hosts, "127.0.0.1 localhost\n").unwrap();
    lab.lab(&["open", "one", "--print"]).exits(7);
    lab.lab(&["up"]).ok();

    // ~/.ssh/config with an Include, as ssh, scp and rsync read it.
    let class = lab.root().join("class.conf");
    std::fs::write(&class, lab.lab(&["ssh-config"]).ok().stdout).unwrap();
    let config = lab.root().join("config");
    std::fs::write(&config, format!("Include \"{}\"\n", class.display())).unwrap();
    let config = config.to_str().unwrap();
    let tool = |program: &str, args: &[&str]| {
        let output = Command::new(program).args(args).output().unwrap();
        assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(tool("ssh", &["-F", config, "two", "hostname"]), "two\n");
    let text = lab.root().join("text");
    std::fs::write(&text, "by scp\n").unwrap();
    tool("scp", &["-O", "-F", config, text.to_str().unwrap(), "one:/tmp/text"]);
    assert_eq!(lab.ssh("one", "cat /tmp/text"), "by scp");

    // What Ansible makes of the inventory: the variables on an ssh command line, split as by a shell.
    let inventory = lab.lab(&["inventory", "--json"]).ok().json();
    assert_eq!(inventory["lab"]["hosts"], serde_json::json!(["one", "two"]));
    let of = |name: &str| inventory["_meta"]["hostvars"]["two"][name].as_str().unwrap().to_owned();
    let line = format!(
        "ssh -F none {} -p {} {}@{} hostname",
        of("ansible_ssh_common_args"),
        of("ansible_port"),
        of("ansible_user"),
        of("ansible_host")
    );
    assert_eq!(tool("sh", &["-c", &line]), "two\n");
    let ini = lab.lab(&["inventory", "two"]).ok().stdout;
    assert!(ini.starts_with("[lab]\ntwo ansible_host=127.0.0.1 ansible_port="), "{ini}");

    // The page behind port 80 comes before others; a program of the path opens it.
    let url = lab.lab(&["open", "one", "--print"]).ok().stdout;
    let port = lab.lab(&["port", "one", "80"]).ok().stdout;
    assert_eq!(url, format!("http://127.0.0.1:{}/\n", port.trim()));
    assert!(lab.lab(&["open", "one", "8443", "--print"]).ok().stdout.starts_with("https://127.0.0.1:"));
    lab.lab(&["open", "two"]).exits(2).says(&["forward = ["]);

    lab.lab(&["hosts", "--apply"]).ok().says(&["not on the private network", "lab open"]);
    lab.lab(&["destroy", "--yes", "one"]).ok();
    assert!(std::fs::read_to_string(&hosts).unwrap().contains("two"));
    lab.lab(&["destroy", "--yes"]).ok().says(&["out of the hosts file"]);
    assert_eq!(std::fs::read_to_string(&hosts).unwrap(), "127.0.0.1 localhost\n");
}
