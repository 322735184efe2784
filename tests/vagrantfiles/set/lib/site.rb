# Constants and records in modules.
module Site
  class Net
    BASE = "10.3.4"
    def self.ip(n); "#{BASE}.#{n}"; end
  end
  Host = Struct.new(:name, :n, keyword_init: true) do
    def ip
      Net.ip(n)
    end
    def to_s = "#{name}@#{ip}"
  end
end
