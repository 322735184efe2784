//! Imported Vagrantfiles of both generations come up.

use crate::common::TestLab;

#[test]
#[ignore = "starts real machines: run by scripts/test"]
fn both_generations_come_up() {
    let lab = TestLab::with_demo_box("");
    let generations = [
        "Vagrant::Config.run do |config|\n  config.vm.box = 'demo'\n  config.vm.host_name = 'old'\n  \
           config.vm.network :hostonly, '192.168.56.21'\n  config.vm.forward_port 80, 18087, :auto => true\n  \
           config.vm.customize ['modifyvm', :id, '--memory', 128]\n  \
           config.vm.provision :shell do |s|\n    s.path = 'mark.sh'\n    s.args = \"one 'two words'\"\n  end\nend\n",
        "require 'yaml'\nMACHINES = YAML.load_file(\"#{__dir__}/machines.yml\")\n\
           def mark(m, *args)\n  m.vm.provision 'shell', path: './mark.sh', args: args\nend\n\
           Vagrant.configure('2') do |config|\n  config.vm.box = 'demo'\n  \
           config.vm.provider('virtualbox') { |vb| vb.memory = 128 }\n  MACHINES.each do |name, address|\n    \
           config.vm.define name do |m|\n      m.vm.network :private_network, ip: address\n      \
           mark m, 'one', 'two words'\n    end\n  end\nend\n",
    ];
    lab.write("lab/machines.yml", "new1: 192.168.56.31\nnew2: 192.168.56.32\n");
    lab.write("lab/mark.sh", "#!/bin/sh\nprintf '%s|' \"$@\" > /etc/mark\n");
    for (text, machines) in generations.iter().zip([&["old"][..], &["new1", "new2"]]) {
        std::fs::remove_file(lab.dir().join("Labfile")).unwrap();
        lab.write("lab/Vagrantfile", text);
        lab.lab(&["import"]).ok();
        lab.lab(&["validate"]).ok();
        lab.lab(&["up"]).ok();
        for machine in machines {
            assert_eq!(lab.ssh(machine, "hostname; cat /etc/mark"), format!("{machine}\none|two words|"));
        }
        if let [_, second] = machines {
            lab.ssh(machines[0], &format!("ping -c 1 -W 5 {second}"));
        }
        lab.lab(&["destroy", "--yes"]).ok();
    }
}
