//! Help for this computer: hosts file, forwarded pages, ssh settings, inventories, pictures.

use crate::common::TestLab;

const TWO: &str = "[lab]\nname = \"pair\"\nbox = \"demo\"\nmemory = \"128 MiB\"\n[machine.one]\n\
    forward = [{ host = 18096, guest = 8443, auto = true }, { host = 18095, guest = 80, auto = true }]\n[machine.two]\n";

#[test]
fn names_go_into_the_hosts_file_and_out_again() {
    let lab = TestLab::bare(TWO);
    let file = lab.root().join("hosts");
    let lab = lab.env("LAB_HOSTS_FILE", file.to_str().unwrap());
    std::fs::write(&file, "127.0.0.1 localhost").unwrap();
    let names = "192.168.56.10\tone\n192.168.56.11\ttwo\n";
    assert_eq!(lab.lab(&["hosts"]).ok().stdout, names);
    lab.lab(&["hosts", "--remove"]).ok().says(&["has no names of this lab"]);
    lab.lab(&["hosts", "--apply"]).ok().says(&["has the machines' names now"]);
    lab.lab(&["hosts", "--apply"]).ok().says(&["already"]);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.starts_with("127.0.0.1 localhost\n# BEGIN lab ") && text.contains(names), "{text}");
    // Without a Labfile that can be read the way out is still open.
    lab.labfile("no toml");
    lab.lab(&["hosts"]).exits(3);
    lab.lab(&["hosts", "--remove"]).ok();
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "127.0.0.1 localhost");
    std::fs::write(&file, text.replace("# END", "#")).unwrap();
    lab.lab(&["hosts", "--remove"]).exits(4).says(&["not `# END lab", "in an editor"]);
    lab.lab(&["hosts", "--apply", "--remove"]).exits(2);
}

#[test]
fn pictures() {
    let lab = TestLab::bare(TWO);
    assert!(lab.lab(&["graph"]).ok().stdout.contains("m0[\"one<br>192.168.56.10<br>128 MiB\"]"));
    assert!(lab.lab(&["graph", "--svg"]).ok().stdout.ends_with("</svg>\n"));
}
