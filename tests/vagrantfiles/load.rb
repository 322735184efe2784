# Loads Vagrantfiles with Vagrant's own loader and prints what their machines are: a line of JSON for each file.
require "json"
require "tmpdir"
ENV["VAGRANT_NO_PLUGINS"] = "1"
ENV["VAGRANT_CHECKPOINT_DISABLE"] = "1"
ENV["VAGRANT_HOME"] = Dir.mktmpdir
# What the files print goes elsewhere.
answers = $stdout.dup
$stdout.reopen($stderr)
gem "vagrant"
require "vagrant"

# Ruby read aliases in YAML without being asked until 3.0, and most Vagrantfiles are older.
require "yaml"
YAML.singleton_class.alias_method(:load_file, :unsafe_load_file)

# Vagrant's first generation hands hashes where Ruby 3 wants keywords.
require "vagrant/shared_helpers"
require Vagrant.source_root.join("plugins/kernel_v2/config/vm").to_s
VagrantPlugins::Kernel_V2::VMConfig.prepend(Module.new do
  def network(kind, options = nil, **keywords)
    super(kind, **(options || {}), **keywords)
  end
end)

unset = Vagrant::Plugin::V2::Config::UNSET_VALUE
plain = lambda do |value|
  case value
  when unset, nil then nil
  when Array then value.map { |item| plain.call(item) }
  when Hash then value.to_h { |key, item| [key.to_s, plain.call(item)] }
  when true, false, Integer then value
  else value.to_s
  end
end

ARGV.each do |path|
  begin
    environment = Vagrant::Environment.new(
      cwd: File.dirname(File.expand_path(path)), vagrantfile_name: File.basename(path),
      ui_class: Vagrant::UI::Silent, local_data_path: Dir.mktmpdir
    )
    file = environment.vagrantfile
    machines = file.machine_names.map do |name|
      # As `vagrant up` does: the first time to find the provider.
      file.machine_config(name, nil, nil, nil, false)
      config = file.machine_config(name, :virtualbox, nil, nil, false)[:config]
      provider = config.vm.get_provider_config(:virtualbox)
      {
        name: name.to_s, box: plain.call(config.vm.box), hostname: plain.call(config.vm.hostname),
        networks: config.vm.networks.map { |kind, options| [kind.to_s, plain.call(options)] },
        folders: config.vm.synced_folders.values.map { |options| plain.call(options) },
        customize: plain.call(provider.customizations.map(&:last)),
        provisioners: config.vm.provisioners.map do |one|
          settings = one.config.instance_variables.to_h { |name| [name.to_s.delete("@"), plain.call(one.config.instance_variable_get(name))] }
          settings.merge("type" => one.type.to_s, "name" => one.name && one.name.to_s, "run" => plain.call(one.run))
        end,
      }
    end
    answers.puts JSON.generate(file: path, machines: machines)
  rescue Exception => error
    answers.puts JSON.generate(file: path, error: "#{error.class}: #{error.message}"[0, 400])
  end
end
