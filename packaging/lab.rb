# A Homebrew formula for a tap of one's own. ADDRESS and CHECKSUM are those of a release's source tarball.
class Lab < Formula
  desc "Real, networked virtual machines for a class, from one Labfile"
  homepage "HOMEPAGE"
  url "ADDRESS"
  sha256 "CHECKSUM"
  license "MIT"

  depends_on "rust" => :build
  depends_on "qemu"

  def install
    system "cargo", "install", *std_cargo_args
    system bin/"lab", "man", buildpath/"man"
    man1.install Dir["man/*.1"]
    generate_completions_from_executable(bin/"lab", "completions")
  end

  test do
    system bin/"lab", "init"
    system bin/"lab", "validate"
  end
end
