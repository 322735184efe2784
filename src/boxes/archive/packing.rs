//! The compressions that a box may have around it.
//!
//! All three decoders are written in Rust without `unsafe` at their edges: the bytes come from anybody.

use std::io::{self, BufRead, Read};

use flate2::bufread::MultiGzDecoder;
use lzma_rust2::XzReader;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use crate::boxes::disk::Packing;

/// How much unpacked data a decoder may keep. `xz -9` asks for 64 MiB, `zstd -19` for 8 and
/// `--ultra` for 128; a header can ask for 4 GiB.
const MAX_WINDOW: u32 = 128 << 20;

/// The unpacked bytes of `source`, to the last of all its members, frames or streams.
pub(super) fn unpack<'a>(packing: Packing, source: impl BufRead + 'a) -> Box<dyn Read + 'a> {
    match packing {
        Packing::Gzip => Box::new(MultiGzDecoder::new(source)),
        Packing::Zstd => Box::new(Zstd { source, decoder: decoder(), in_frame: false }),
        // Some 100 kB on top are for the decoder itself.
        Packing::Xz => Box::new(XzReader::new_mem_limit(source, true, (MAX_WINDOW >> 10) + 1024)),
    }
}

fn decoder() -> FrameDecoder {
    let mut decoder = FrameDecoder::new();
    decoder.set_max_window_size(MAX_WINDOW.into());
    decoder
}

/// zstd, whose files may have several frames, some of them to be skipped (RFC 8878, section 3.1).
struct Zstd<R> {
    source: R,
    decoder: FrameDecoder,
    in_frame: bool,
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            if self.in_frame {
                while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                    let decoded =
                        self.decoder.decode_blocks(&mut self.source, BlockDecodingStrategy::UptoBlocks(1));
                    decoded.map_err(|error| self.explain(error))?;
                }
                let count = self.decoder.read(buffer)?;
                if count > 0 {
                    return Ok(count);
                }
                let (said, found) =
                    (self.decoder.get_checksum_from_data(), self.decoder.get_calculated_checksum());
                if said.is_some() && said != found {
                    return Err(io::Error::new(io::ErrorKind::InvalidData, "a zstd checksum is wrong"));
                }
                self.in_frame = false;
            }
            if self.source.fill_buf()?.is_empty() {
                return Ok(0);
            }
            match self.decoder.reset(&mut self.source) {
                Ok(()) => self.in_frame = true,
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let length = u64::from(length);
                    if io::copy(&mut (&mut self.source).take(length), &mut io::sink())? < length {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(error) => return Err(self.explain(error)),
            }
        }
    }
}

impl<R: BufRead> Zstd<R> {
    /// Tells a file that was cut off from a damaged one: the decoder reports both alike.
    fn explain(&mut self, error: FrameDecoderError) -> io::Error {
        match self.source.fill_buf() {
            Ok([]) => io::ErrorKind::UnexpectedEof.into(),
            Ok(_) => io::Error::new(io::ErrorKind::InvalidData, error),
            Err(source) => source,
        }
    }
}
