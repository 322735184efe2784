//! Arguments of QEMU that would take the machine out of lab's hands.

/// The option without its dashes, why lab cannot have it, and what to do instead.
const REFUSED: &[(&str, &str, &str)] = &[
    ("daemonize", "lab itself keeps the process in the background", "take it out"),
    ("S", "the machine would never begin to run", "take it out"),
    (
        "snapshot",
        "everything the machine writes would be lost on every halt",
        "take it out: the box is never written to",
    ),
    (
        "incoming",
        "the machine would wait for another one's memory",
        "take it out; lab suspend and lab resume keep memory",
    ),
    (
        "loadvm",
        "lab says itself what a machine starts from",
        "take it out; lab suspend and lab resume keep memory",
    ),
    ("preconfig", "the machine would never begin to run", "take it out"),
    ("nographic", "it takes over the console that lab logs", "take it out: machines have no window anyway"),
    ("pidfile", "lab keeps the process id itself", "take it out"),
    ("name", "lab names the process itself", "take it out: the machine's name is its section's"),
    ("uuid", "lab gives the machine its identity itself", "take it out"),
    ("m", "lab says itself how much memory there is", "write memory = \"256 MiB\" in the machine's section"),
    ("smp", "lab says itself how many processors there are", "write cpus = 2 in the machine's section"),
    ("cpu", "lab names the processor itself", "write cpu = \"qemu64\" here in its place"),
    ("machine", "lab names the machine type itself", "write machine = \"q35\" here in its place"),
    ("M", "lab names the machine type itself", "write machine = \"q35\" here in its place"),
    ("runas", "lab could no longer stop the process", "take it out"),
    ("chroot", "lab's sockets could no longer be found", "take it out"),
    ("help", "QEMU would print its help and end", "take it out"),
    ("h", "QEMU would print its help and end", "take it out"),
    ("version", "QEMU would print its version and end", "take it out"),
];

/// What is wrong with an argument, where something is: a stable word, a message, a hint.
pub(super) fn mistake(arg: &str) -> Option<(&'static str, String, String)> {
    // QEMU takes -option and --option for the same.
    let option = arg.strip_prefix("--").or_else(|| arg.strip_prefix('-'))?;
    let (option, rest) = option.split_once(char::is_whitespace).unwrap_or((option, ""));
    if let Some((_, why, hint)) = REFUSED.iter().find(|(name, ..)| *name == option) {
        let message = format!("`-{option}` cannot be given to QEMU: {why}");
        return Some(("refused-argument", message, (*hint).to_owned()));
    }
    (!rest.is_empty()).then(|| {
        let message = format!("`{arg}` is two arguments in one");
        ("bad-value", message, format!("write \"-{option}\", \"{}\"", rest.trim()))
    })
}
