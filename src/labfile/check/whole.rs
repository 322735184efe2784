//! What a Labfile's pieces say together, and the Labfile itself once they agree.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use super::{checks, network, order, ports, twins};
use crate::labfile::beyond::Reach;
use crate::labfile::keys;
use crate::labfile::lines::{Lines, Span};
use crate::labfile::model::{Copy, Labfile, Machine, Provisioner, Script};
use crate::labfile::names::{self, shown};
use crate::labfile::problem::Problem;
use crate::labfile::raw::{Cx, Raw, RawMachine};

/// `boot_timeout` where it is not given.
const BOOT_TIMEOUT: Duration = Duration::from_secs(5 * 60);
/// `halt_timeout` where it is not given.
const HALT_TIMEOUT: Duration = Duration::from_secs(30);

/// Compares the pieces. Makes the Labfile if there is no mistake.
pub(in crate::labfile) fn labfile(cx: &mut Cx<'_>, raw: Raw, path: &Path) -> Option<Labfile> {
    if raw.too_many_machines {
        return None;
    }
    machines(cx, &raw);
    boxes(cx, &raw);
    twins::check(cx, &raw.machines);
    let network = network::check(cx, &raw);
    ports::check(cx, &raw.machines);
    order::check(cx, &raw.machines);
    let checks = checks::check(cx, &raw);
    shared(cx, &raw);
    if cx.failed() {
        return None;
    }
    let addresses = network::addresses(&raw.machines, network);
    let image = |machine: &RawMachine| machine.common.image.clone().or_else(|| raw.defaults.image.clone());
    let machines = raw
        .machines
        .iter()
        .zip(addresses)
        .map(|(machine, ip)| Some(build(&raw, machine, image(machine)?.value, ip)))
        .collect::<Option<Vec<_>>>()?;
    let lines = Lines::new(cx.text);
    let line = |span: &Span| lines.number(span.start) + 1;
    Some(Labfile {
        path: path.to_owned(),
        dir: cx.dir.to_owned(),
        name: raw.name.map_or_else(|| names::from_folder(cx.dir), |name| name.value),
        provider: raw.provider,
        catalogue_line: raw.catalogue.as_ref().map_or(0, |at| line(&at.span)),
        catalogue: raw.catalogue.map(|at| at.value),
        ready_snapshot: raw.ready_snapshot.unwrap_or(true),
        network,
        network_kind: raw.network_kind,
        machines,
        checks,
        reaches: cx.reaches.drain(..).map(|(span, what)| Reach { line: line(&span), what }).collect(),
    })
}

/// So many places are marked in one problem at most.
const MARKED: usize = 20;

/// What `[lab]` gives to every machine is kept for each of them: so many bytes of it at most.
const SHARED_MAX: usize = 64 * 1024 * 1024;

/// Reports that `[lab]` gives too much to too many machines.
fn shared(cx: &mut Cx<'_>, raw: &Raw) {
    let defaults = &raw.defaults;
    let of_script = |script: &Script| match script {
        Script::File(path) => path.as_os_str().len(),
        Script::Inline(text) => text.len(),
    };
    let of_provisioner = |provisioner: &Provisioner| {
        let args: usize = provisioner.args.iter().map(|arg| arg.len() + size_of::<String>()).sum();
        let env: usize = provisioner.env.iter().map(|(name, value)| name.len() + value.len() + 48).sum();
        of_script(&provisioner.script) + provisioner.name.len() + args + env + size_of::<Provisioner>()
    };
    let of_copy = |copy: &Copy| copy.from.as_os_str().len() + copy.to.len() + size_of::<Copy>();
    let each = defaults.provisioners.iter().map(of_provisioner).sum::<usize>()
        + defaults.copies.iter().map(of_copy).sum::<usize>();
    let all = each.saturating_mul(raw.machines.len());
    if let Some(last) = raw.machines.last().filter(|_| all > SHARED_MAX) {
        let message = format!(
            "what [lab] gives to each of {} machines takes {} MiB in all, and the most is {} MiB",
            raw.machines.len(),
            all >> 20,
            SHARED_MAX >> 20
        );
        cx.push(
            Problem::error("too-many", last.name.span.clone(), message)
                .hint("put the text into a script, a file of its own, and name that"),
        );
    }
}

fn build(raw: &Raw, machine: &RawMachine, image: String, ip: Ipv4Addr) -> Machine {
    let (own, defaults) = (&machine.common, &raw.defaults);
    // `box_version` of [lab] is about the box of [lab]. A machine with a box of its own does not get it.
    let box_version = match own.image {
        Some(_) => own.box_version.clone(),
        None => own.box_version.clone().or_else(|| defaults.box_version.clone()),
    };
    Machine {
        name: machine.name.value.clone(),
        image,
        box_version,
        ip,
        memory_mib: own.memory_mib.or(defaults.memory_mib),
        cpus: own.cpus.or(defaults.cpus),
        forwards: machine.forwards.iter().map(|forward| forward.value.clone()).collect(),
        copies: defaults.copies.iter().chain(&own.copies).cloned().collect(),
        provisioners: named(defaults.provisioners.iter().chain(&own.provisioners).cloned().collect()),
        after: machine.after.iter().map(|name| name.value.clone()).collect(),
        boot_timeout: own.boot_timeout.or(defaults.boot_timeout).unwrap_or(BOOT_TIMEOUT),
        halt_timeout: own.halt_timeout.or(defaults.halt_timeout).unwrap_or(HALT_TIMEOUT),
        settings: machine.settings.clone(),
    }
}

/// Gives inline scripts without a name theirs: "inline script 2" is the machine's second one.
fn named(mut provisioners: Vec<Provisioner>) -> Vec<Provisioner> {
    let inline =
        provisioners.iter_mut().filter(|provisioner| matches!(provisioner.script, Script::Inline(_)));
    for (index, provisioner) in inline.enumerate() {
        if provisioner.name.is_empty() {
            provisioner.name = format!("inline script {}", index + 1);
        }
    }
    provisioners
}

fn machines(cx: &mut Cx<'_>, raw: &Raw) {
    // A misspelt or misplaced section has been reported already, and is the reason that there are none.
    let said = cx.problems().iter().any(|problem| matches!(problem.code, "unknown-key" | "wrong-type"));
    if raw.machines.is_empty() && !said {
        let end = cx.text.trim_end().len();
        let start = cx.text.get(..end).and_then(|text| text.rfind('\n')).map_or(0, |newline| newline + 1);
        cx.push(
            Problem::error("no-machines", start..end, "the Labfile has no machines")
                .hint("add a section such as [machine.web1]")
                .of_absence(),
        );
    }
}

fn boxes(cx: &mut Cx<'_>, raw: &Raw) {
    if raw.defaults.names_a_box {
        return;
    }
    let mut without = raw.machines.iter().filter(|machine| !machine.common.names_a_box);
    let Some(first) = without.next() else { return };
    let name = shown(&first.name.value);
    let others: Vec<_> = without.collect();
    let message = match others.as_slice() {
        [] => format!("`{name}` has no box"),
        [other] => format!("`{name}` and `{}` have no box", shown(&other.name.value)),
        more => format!("{} machines have no box", more.len() + 1),
    };
    let example = keys::LAB.key("box").map_or("", |key| key.example);
    let mut problem = Problem::error("missing-box", first.name.span.clone(), message)
        .hint(format!(
            "write box = {example} under [lab] for all machines, or under [machine.{name}] for this one"
        ))
        .of_absence();
    for other in others.into_iter().take(MARKED) {
        problem = problem.also(other.name.span.clone(), "");
    }
    cx.push(problem);
}
