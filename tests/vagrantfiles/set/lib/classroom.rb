# The whole of a machine in a class of its own.
class Classroom
  def Classroom.configure(config, settings)
    config.vm.box = settings["box"] ||= "class/room"
    config.vm.hostname = settings.fetch("hostname", "classroom")
    settings["keys"].each do |key|
      config.vm.provision "shell" do |s|
        s.privileged = false
        s.inline = "echo \"$1\" > /home/vagrant/.ssh/$2"
        s.args = [File.read(File.expand_path(key)), key.split('/').last]
      end
    end if settings.include? 'keys'
    (settings["ports"] || []).each do |port|
      config.vm.network "forwarded_port", guest: port["to"], host: port["send"], protocol: port["protocol"] ||= "tcp"
    end
    settings['sites'].each { |site| config.vm.provision("shell") { |s| s.path = "provision/web.sh"; s.args = [site["map"], site["to"], site["port"] ||= "80"] } }
  end
end
