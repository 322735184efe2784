//! Stock Debian guests of today, with systemd: what the demo box cannot show.

use std::time::Duration;

use crate::common::{TestLab, debian_box, debian_cloud_box, debian_networkd_box};

/// Two machines that configure their network in different ways.
fn labfile() -> String {
    let (ifupdown, networkd) = (debian_box(), debian_networkd_box());
    format!(
        r#"[lab]
name = "debian"
memory = "512 MiB"
boot_timeout = "10 min"
provision = [
  {{ name = "root", inline = "echo \"$(id -un) $HOME $(hostname)\" >>/root/root" }},
  {{ name = "user", inline = "echo \"$(id -un) $HOME $PWD\" >>user; sudo -n id -un >>user", as = "user" }},
  {{ name = "service", script = "service.sh" }},
  {{ name = "boots", inline = "echo boot >>/root/boots", run = "always" }},
]

[machine.old]
ip = "192.168.56.10"
box = '{}'

[machine.new]
ip = "192.168.56.11"
box = '{}'
"#,
        ifupdown.display(),
        networkd.display()
    )
}

/// A service that notes each of its starts, as a provisioner of today installs one.
const SERVICE: &str = "\
set -eu
cat >/etc/systemd/system/starts.service <<'END'
[Unit]
After=network-online.target
Wants=network-online.target
[Service]
ExecStart=/bin/sh -c 'echo start >>/root/starts; exec sleep infinity'
[Install]
WantedBy=multi-user.target
END
systemctl enable --now starts
";

const MACHINES: [(&str, &str); 2] = [("old", "192.168.56.10"), ("new", "192.168.56.11")];

#[test]
#[ignore = "starts real machines: run by scripts/test"]
fn stock_debian_becomes_ready_and_stays_so() {
    let lab = TestLab::with_shared_home(&labfile());
    lab.write("lab/service.sh", SERVICE);

    let up = lab.lab(&["up"]).ok().says(&["old: ready", "new: ready"]);
    eprintln!("up took {:?}", up.took);
    the_guests_are_as_promised(&lab, 1);
    for (machine, _) in MACHINES {
        lab.insecure_key_opens_nothing(machine);
    }
    let again = lab.lab(&["up"]).ok().says(&["old: already ready", "new: already ready"]);
    assert!(again.took < Duration::from_secs(15), "{:?}", again.took);

    // All of it lasts.
    let reload = lab.lab(&["reload"]).ok().says_not(&["cutting its power"]);
    eprintln!("reload took {:?}", reload.took);
    the_guests_are_as_promised(&lab, 2);

    the_host_key_is_held_to(&lab);
    let run_dir = lab.run_dir();
    lab.lab(&["destroy", "--yes"]).ok();
    lab.nothing_left(run_dir.as_deref());
}

/// After so many boots.
fn the_guests_are_as_promised(lab: &TestLab, boots: usize) {
    let public = std::fs::read_to_string(lab.dir().join(".lab/id_rsa.pub")).unwrap();
    for (machine, address) in MACHINES {
        let (peer, peer_address) = MACHINES.into_iter().find(|(name, _)| *name != machine).unwrap();
        let mac =
            lab.state().unwrap()["machines"][machine]["own"]["private_mac"].as_str().unwrap().to_owned();
        // One connection: each takes such a guest seconds.
        let script = format!(
            r#"nic=$(grep -l {mac} /sys/class/net/*/address); nic=${{nic#/sys/class/net/}}; nic=${{nic%/address}}
            section() {{ echo "== $1"; }}
            section names; hostname; hostnamectl --static; cat /etc/hostname
            section private; ip -4 -o addr show dev "$nic" | awk '{{print $4}}'
            section others; ip -4 -o addr show | grep -v " $nic " | awk '{{print $4}}'
            section ways; ip -4 route show default | grep -c " dev $nic "
            section hosts; getent ahostsv4 {machine} | head -1; getent ahostsv4 {peer} | head -1
            section ping; ping -q -c 1 -W 5 {peer} | grep -c ' 1 received'
            section tcp; bash -c 'exec 3<>/dev/tcp/{peer}/22; read -r line <&3; echo "$line"' | cut -c-8
            section keys; cat .ssh/authorized_keys
            section root; sudo cat /root/root
            section user; cat user
            section boots; sudo sort /root/boots | uniq -c
            section starts; sudo sort /root/starts | uniq -c
            "#
        );
        let said = lab.ssh(machine, &script);
        let section = |name: &str| -> Vec<String> {
            let lines = said.lines().skip_while(|line| *line != format!("== {name}")).skip(1);
            let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
            lines.take_while(|line| !line.starts_with("== ")).map(words).collect()
        };
        for (name, expected) in [
            ("names", vec![machine.to_owned(); 3]),
            ("private", vec![format!("{address}/24")]),
            ("others", vec!["127.0.0.1/8".to_owned(), "10.0.2.15/24".to_owned()]),
            ("ways", vec!["0".to_owned()]),
            ("hosts", vec![format!("{address} STREAM {machine}"), format!("{peer_address} STREAM {peer}")]),
            ("ping", vec!["1".to_owned()]),
            ("tcp", vec!["SSH-2.0-".to_owned()]),
            ("keys", vec![public.trim_end().to_owned()]),
            ("root", vec![format!("root /root {machine}")]),
            ("user", vec!["vagrant /home/vagrant /home/vagrant".to_owned(), "root".to_owned()]),
            ("boots", vec![format!("{boots} boot")]),
            ("starts", vec![format!("{boots} start")]),
        ] {
            assert_eq!(section(name), expected, "{name} of {machine} after boot {boots}:\n{said}");
        }
    }
}

/// What answers with another key is not the machine.
fn the_host_key_is_held_to(lab: &TestLab) {
    let known = std::fs::read_to_string(lab.dir().join(".lab/machines/old/known_hosts")).unwrap();
    let kind = known.split_whitespace().nth(1).unwrap();
    assert_eq!(kind, "ssh-ed25519", "{known}");
    let renew = "cd /etc/ssh && sudo rm ssh_host_ed25519_key* && \
                 sudo ssh-keygen -q -t ed25519 -N '' -f ssh_host_ed25519_key && sudo systemctl restart ssh";
    lab.ssh("old", renew);
    let refused = lab.lab(&["exec", "old", "--", "true"]);
    assert_ne!(refused.code, 0);
    refused.says(&["host key"]);
}

#[test]
#[ignore = "starts real machines: run by scripts/test"]
fn an_image_for_clouds_gets_its_user_from_lab() {
    let lab = TestLab::with_shared_home(&format!(
        "[lab]\nbox = '{}'\nmemory = \"512 MiB\"\nboot_timeout = \"10 min\"\n\
         provision = [{{ name = \"who\", inline = \"id -un >/root/who\" }}]\n\
         [machine.cloudy]\nip = \"192.168.56.10\"\n",
        debian_cloud_box().display()
    ));
    lab.lab(&["up"]).ok();
    assert_eq!(lab.ssh("cloudy", "id -un; hostname; sudo cat /root/who"), "vagrant\ncloudy\nroot");
    assert!(lab.ssh("cloudy", "ip -4 -br address").contains("192.168.56.10/24"));
    // The lab's own key is the only one that there ever was.
    assert_eq!(lab.ssh("cloudy", "grep -c . .ssh/authorized_keys"), "1");
    lab.insecure_key_opens_nothing("cloudy");
    // It stays so over a restart.
    lab.lab(&["reload"]).ok();
    assert_eq!(lab.ssh("cloudy", "hostname; sudo cat /root/who"), "cloudy\nroot");
    let run_dir = lab.run_dir();
    lab.lab(&["destroy", "--yes"]).ok();
    lab.nothing_left(run_dir.as_deref());
}
