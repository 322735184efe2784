//! Small boxes.

use std::io::Write;
use std::path::Path;

use tar::{Builder, Header};

/// How a box is compressed.
#[derive(Debug, Clone, Copy)]
pub enum Packing {
    None,
    Gzip,
    Zstd,
    Xz,
}

/// Bytes that no compression makes smaller; another `seed`, other bytes.
pub fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    };
    (0..length).map(|_| next()).collect()
}

/// A raw disk with a boot sector's mark.
pub fn disk(seed: u64, length: usize) -> Vec<u8> {
    let mut disk = noise(seed, length.max(512));
    disk[510..512].copy_from_slice(&[0x55, 0xaa]);
    disk[..8].fill(0);
    disk[257..262].fill(0);
    disk
}

/// A Vagrant box for libvirt with this disk.
pub fn vagrant_box(disk: &[u8], packing: Packing) -> Vec<u8> {
    let metadata = br#"{"provider":"libvirt","format":"raw","virtual_size":1}"#;
    let vagrantfile = b"Vagrant.configure(\"2\") do |config|\n  config.ssh.username = \"pupil\"\nend\n";
    let mut builder = Builder::new(Vec::new());
    for (name, bytes) in [("metadata.json", &metadata[..]), ("Vagrantfile", vagrantfile), ("box.img", disk)] {
        let mut header = Header::new_gnu();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, bytes).unwrap();
    }
    packed(&builder.into_inner().unwrap(), packing)
}

/// `bytes`, compressed.
pub fn packed(bytes: &[u8], packing: Packing) -> Vec<u8> {
    match packing {
        Packing::None => bytes.to_vec(),
        Packing::Gzip => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
        Packing::Zstd => {
            ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
        }
        Packing::Xz => {
            let options = lzma_rust2::XzOptions::with_preset(0);
            let mut encoder = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
            encoder.write_all(bytes).unwrap();
            encoder.finish().unwrap()
        }
    }
}

/// Writes a small box to `path`.
pub fn write(path: &Path, seed: u64) {
    std::fs::write(path, vagrant_box(&disk(seed, 100_000), Packing::Gzip)).unwrap();
}
