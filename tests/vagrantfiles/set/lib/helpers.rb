# Methods that several Vagrantfiles of the class share.
module Helpers
  NET = "192.168.61"
  def self.address(number)
    "#{NET}.#{number}"
  end

  def self.size(machine, memory, cpus = 1)
    machine.vm.provider "virtualbox" do |vb|
      vb.memory = memory
      vb.cpus = cpus
    end
  end
end

def script(machine, name, *args)
  machine.vm.provision "shell", path: "provision/#{name}.sh", args: args
end
