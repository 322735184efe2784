//! A NoCloud seed tells an image without a user which user to make: cloud-init reads it at the
//! first boot from a disc whose label is `cidata`.
//!
//! Source: cloud-init's documentation, "NoCloud" ("a filesystem with label cidata") and "cloud config". A
//! disc rather than a FAT disk, since every provider can attach one, as a CD or as a disk.

mod iso;

/// The disc's label.
const LABEL: &str = "cidata";

/// What the seed tells the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seed<'a> {
    /// The id by which cloud-init knows this machine: with another id, it starts over.
    pub instance: &'a str,
    /// The machine's name.
    pub hostname: &'a str,
    /// The user to make; can sudo without a password.
    pub user: &'a str,
    /// The public key that opens it, one line as in `authorized_keys`.
    pub public_key: &'a str,
}

impl Seed<'_> {
    /// The disc, as the bytes of an ISO 9660 file system.
    pub fn image(&self) -> Vec<u8> {
        iso::image(
            LABEL,
            &[("meta-data", "META_DAT", self.meta_data()), ("user-data", "USER_DAT", self.user_data())],
        )
    }

    fn meta_data(&self) -> String {
        // JSON is YAML, and knows how to quote.
        let text = serde_json::json!({"instance-id": self.instance, "local-hostname": self.hostname});
        format!("{text}\n")
    }

    fn user_data(&self) -> String {
        let config = serde_json::json!({
            "users": [{
                "name": self.user,
                "shell": "/bin/bash",
                "sudo": "ALL=(ALL) NOPASSWD:ALL",
                "lock_passwd": true,
                "ssh_authorized_keys": [self.public_key.trim()],
            }],
        });
        format!("#cloud-config\n{config:#}\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_is_what_cloud_init_reads() {
        let seed =
            Seed { instance: "0f1e", hostname: "web1", user: "vagrant", public_key: "ssh-rsa AAAA x\n" };
        let user_data = seed.user_data();
        let (head, config) = user_data.split_once('\n').unwrap();
        assert_eq!(head, "#cloud-config");
        let config: serde_json::Value = serde_json::from_str(config).unwrap();
        assert_eq!(config["users"][0]["ssh_authorized_keys"][0], "ssh-rsa AAAA x");
        let image = seed.image();
        let has = |text: &str| image.windows(text.len()).any(|window| window == text.as_bytes());
        assert!(has(&user_data) && has(&seed.meta_data()) && has("cidata"));
        assert_eq!(image, seed.image(), "the same seed is the same disc");
    }
}
