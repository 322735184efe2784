//! What a Labfile's pieces say together, and the Labfile itself once they agree.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use super::{checks, network, order, ports, twins};
use crate::labfile::model::{Labfile, Machine, Provisioner, Script};
use crate::labfile::problem::{Problem, Severity};
use crate::labfile::raw::{Cx, Raw, RawMachine};
use crate::labfile::{keys, names};

/// `boot_timeout` where it is not given.
const BOOT_TIMEOUT: Duration = Duration::from_secs(5 * 60);
/// `halt_timeout` where it is not given.
const HALT_TIMEOUT: Duration = Duration::from_secs(30);

/// Compares the pieces, and makes the Labfile if nothing is wrong with any of them.
pub(in crate::labfile) fn labfile(cx: &mut Cx<'_>, raw: Raw, path: &Path) -> Option<Labfile> {
    machines(cx, &raw);
    boxes(cx, &raw);
    twins::check(cx, &raw.machines);
    let network = network::check(cx, &raw);
    ports::check(cx, &raw.machines);
    order::check(cx, &raw.machines);
    let checks = checks::check(cx, &raw);
    if cx.problems.iter().any(|problem| problem.severity == Severity::Error) {
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
    Some(Labfile {
        path: path.to_owned(),
        dir: cx.dir.to_owned(),
        name: raw.name.map_or_else(|| names::from_folder(cx.dir), |name| name.value),
        provider: raw.provider,
        catalogue: raw.catalogue,
        ready_snapshot: raw.ready_snapshot.unwrap_or(true),
        network,
        network_kind: raw.network_kind,
        machines,
        checks,
    })
}

fn build(raw: &Raw, machine: &RawMachine, image: String, ip: Ipv4Addr) -> Machine {
    let (own, defaults) = (&machine.common, &raw.defaults);
    // A version goes with the box that it was written for.
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
        qemu: machine.qemu.clone(),
        virtualbox: machine.virtualbox.clone(),
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
    // What else is wrong may be why there are none; saying so once more helps nobody.
    let said = cx.problems.iter().any(|problem| matches!(problem.code, "unknown-key" | "wrong-type"));
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
    let name = &first.name.value;
    let others: Vec<_> = without.collect();
    let message = match others.as_slice() {
        [] => format!("`{name}` has no box"),
        [other] => format!("`{name}` and `{}` have no box", other.name.value),
        more => format!("{} machines have no box", more.len() + 1),
    };
    let example = keys::LAB.key("box").map_or("", |key| key.example);
    let mut problem = Problem::error("missing-box", first.name.span.clone(), message)
        .hint(format!(
            "write box = {example} under [lab] for all machines, or under [machine.{name}] for this one"
        ))
        .of_absence();
    for other in others {
        problem = problem.also(other.name.span.clone(), "");
    }
    cx.push(problem);
}
