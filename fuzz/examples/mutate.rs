//! A plain mutator for a stable toolchain: changes what is in `corpus/TARGET` at random, for some seconds.
//!
//! It knows nothing of coverage; `cargo fuzz`, which does, is better where it runs. The sum in a tar header is
//! mended after a change, or else hardly one would get past it.
//!
//! Usage: `cargo run --release --example mutate -- TARGET SECONDS [SEED]`. An input that makes a target panic, or
//! takes it longer than `FUZZ_LIMIT` seconds (10), is left in `artifacts/TARGET/`. Where the
//! whole process was ended, as by a limit on its memory (`scripts/fuzz` sets one), the input of the last run is
//! `/dev/shm/lab-fuzz-TARGET-SEED`.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use labfile_fuzz::TARGETS;

/// No input grows beyond this: readers have limits of their own, and a run is to be quick.
const LARGEST: usize = 256 << 10;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let usage = "mutate TARGET SECONDS [SEED]";
    if words.first().is_some_and(|word| word == "--list") {
        TARGETS.iter().for_each(|(name, _)| println!("{name}"));
        return;
    }
    let (name, run) = TARGETS.into_iter().find(|(name, _)| Some(*name) == words.first().map(String::as_str)).expect(usage);
    let limit = Duration::from_secs(words.get(1).expect(usage).parse().expect(usage));
    let now = || SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_nanos() as u64;
    let seed = words.get(2).map_or_else(now, |seed| seed.parse().expect(usage));
    println!("{name}: seed {seed}");
    let here = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let mut corpus: Vec<Vec<u8>> = std::fs::read_dir(here.join("corpus").join(name))
        .expect("there is no corpus")
        .map(|entry| std::fs::read(entry.unwrap().path()).unwrap())
        .collect();
    corpus.sort();
    let folder = here.join("artifacts").join(name);
    std::fs::create_dir_all(&folder).unwrap();
    // In memory, where there is such a folder: it is written before every run.
    let memory = Path::new("/dev/shm");
    let near = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
    let (current, clock) = (near.join(format!("lab-fuzz-{name}-{seed}")), Clock::new());
    clock.watch(name, &folder, &current, seed);
    let mut random = Random(seed);
    let (started, mut count, mut slowest) = (Instant::now(), 0u64, Duration::ZERO);
    while started.elapsed() < limit {
        // The corpus as it is comes first.
        let mut data = match corpus.get(count as usize) {
            Some(data) => data.clone(),
            None => {
                let mut data = corpus[random.below(corpus.len())].clone();
                for _ in 0..=random.below(8) {
                    let other = &corpus[random.below(corpus.len())];
                    mutate(&mut data, other, &mut random);
                }
                data
            }
        };
        data.truncate(LARGEST);
        count += 1;
        // What ends the whole process leaves this.
        std::fs::write(&current, &data).unwrap();
        let begin = Instant::now();
        clock.begin();
        let result = std::panic::catch_unwind(|| run(&data));
        clock.end();
        slowest = slowest.max(begin.elapsed());
        if result.is_err() {
            let path = folder.join(format!("mutate-{seed}-{count}"));
            keep(&current, &path);
            println!("{name}: found {}", path.display());
            std::process::exit(1);
        }
    }
    std::fs::remove_file(&current).unwrap();
    println!("{name}: {count} runs in {} s, the slowest took {} ms", started.elapsed().as_secs(), slowest.as_millis());
}

/// Moves an input to where the findings are.
fn keep(current: &Path, to: &Path) {
    std::fs::copy(current, to).unwrap();
    let _ = std::fs::remove_file(current);
}

/// Looks to it that no run takes too long.
#[derive(Clone)]
struct Clock {
    zero: Instant,
    /// When the run began, in ms after `zero`; 0 between runs.
    begun: Arc<AtomicU64>,
}

impl Clock {
    fn new() -> Self {
        Clock { zero: Instant::now(), begun: Arc::default() }
    }

    fn begin(&self) {
        self.begun.store(self.zero.elapsed().as_millis() as u64 + 1, Ordering::SeqCst);
    }

    fn end(&self) {
        self.begun.store(0, Ordering::SeqCst);
    }

    /// Ends the process, and keeps the input, when a run is over its time.
    fn watch(&self, name: &'static str, folder: &Path, current: &Path, seed: u64) {
        let said = std::env::var("FUZZ_LIMIT").ok().and_then(|text| text.parse().ok());
        let most = Duration::from_secs(said.unwrap_or(10));
        let (clock, current, slow) = (self.clone(), current.to_owned(), folder.join(format!("mutate-{seed}-slow")));
        std::thread::spawn(move || loop {
            std::thread::sleep(Duration::from_millis(200));
            let begun = clock.begun.load(Ordering::SeqCst);
            let now = clock.zero.elapsed().as_millis() as u64;
            if begun > 0 && now.saturating_sub(begun) > most.as_millis() as u64 {
                keep(&current, &slow);
                println!("{name}: took longer than {} s: {}", most.as_secs(), slow.display());
                std::process::exit(1);
            }
        });
    }
}

/// splitmix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }
}

/// One change: a bit, a byte, a number that is a limit of something, or a piece lost, doubled, brought over or
/// repeated many times.
fn mutate(data: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    if data.is_empty() {
        data.extend_from_slice(other);
        return;
    }
    // Headers are where it gets interesting, and they stand at sectors' beginnings.
    let at = match random.below(3) {
        0 => random.below(data.len()),
        1 => (random.below(data.len() / 512 + 1) * 512 + random.below(512)).min(data.len() - 1),
        _ => random.below(data.len().min(1024)),
    };
    let length = 1 + random.below(64.min(data.len() - at));
    match random.below(9) {
        // Many of one thing: what takes a reader the square of their number takes it too long.
        8 => {
            let piece = data[at..at + length].repeat(1 << random.below(11));
            data.splice(at..at, piece);
        }
        0 => data[at] ^= 1 << random.below(8),
        1 => data[at] = random.next() as u8,
        2 => {
            let number = [0, 1, 0x7f, 0xff, 0x7fff_ffff, 0xffff_ffff, u64::MAX, 1 << 40][random.below(8)];
            let bytes = if random.below(2) == 0 { number.to_le_bytes() } else { number.to_be_bytes() };
            data.iter_mut().skip(at).zip(bytes).for_each(|(byte, value)| *byte = value);
        }
        3 => drop(data.drain(at..at + length)),
        4 => {
            let piece = data[at..at + length].to_vec();
            data.splice(at..at, piece);
        }
        5 if !other.is_empty() => {
            let from = random.below(other.len());
            let piece = other[from..(from + length).min(other.len())].to_vec();
            data.splice(at..at + piece.len().min(length), piece);
        }
        6 => data.truncate(at),
        _ => data[at..at + length].iter_mut().for_each(|byte| *byte = b"0/.\0A"[random.below(5)]),
    }
    // A tar's header has a sum of its own, which would stop all else.
    if random.below(2) == 0 {
        mend_tar(data, at / 512 * 512);
    }
}

/// Writes the sum of a tar header anew (POSIX: the bytes' sum with the sum's own field as blanks).
fn mend_tar(data: &mut [u8], at: usize) {
    if let Some(header) = data.get_mut(at..at + 512).filter(|header| &header[257..262] == b"ustar") {
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    }
}
