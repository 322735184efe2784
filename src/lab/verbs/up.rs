//! `up`: all machines side by side to ready.
//!
//! The state is written *before* what it announces, so that nothing exists that the state does not know.

use std::collections::{BTreeMap, BTreeSet};

use crate::boxes::{Hardware, Store};
use crate::error::{Error, Kind, Result};
use crate::guest::keys;
use crate::labfile::Labfile;
use crate::labfile::model::Machine;
use crate::provider::{Availability, Block, MachineSpec, PowerState, PrivateNetwork, Provider};

use crate::lab::boxes::supply::{self, Images};
use crate::lab::choose::{self, Choice};
use crate::lab::crew::Job;
use crate::lab::disk::Found;
use crate::lab::disk::lock::Lock;
use crate::lab::disk::state::{self, State};
use crate::lab::machine::Until;
use crate::lab::opened::{self, shape};
use crate::lab::tell::event::Event;
use crate::lab::{Context, Lab, Place, Report, select};

/// What `lab up` was asked for.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The machines; none means all.
    pub names: Vec<String>,
    /// The provider, where the command line or `LAB_PROVIDER` names one.
    pub provider: Option<String>,
    /// How many machines are worked on at once; `None` means all.
    pub jobs: Option<usize>,
    /// Only the machines of `names`, not those that they come after.
    pub alone: bool,
}

/// `lab up`: makes the machines ready. Returns the lab, and how the machines came out.
///
/// # Errors
/// Those that concern the lab as a whole; a machine's own are in the report.
pub fn up<'a>(context: &'a Context<'a>, place: Place, options: &Options) -> Result<(Lab<'a>, Report)> {
    let labfile = place.labfile.clone()?;
    let all: Vec<String> = labfile.machines.iter().map(|machine| machine.name.clone()).collect();
    let asked = select(&all, &options.names)?;
    let mut jobs = jobs_with_dependencies(&labfile.machines, &asked);
    if options.alone {
        jobs.retain(|job| asked.contains(&job.machine));
    }
    let machines: Vec<&Machine> = labfile
        .machines
        .iter()
        .filter(|machine| jobs.iter().any(|job| job.machine == machine.name))
        .collect();

    let (lab, images, checked) = begin(context, place, &labfile, options, &machines)?;
    lab.tell_of_strangers(&all);
    let before = match lab.prepare_up(&machines, &images, checked) {
        Ok(before) => before,
        Err(error) => return Err(lab.undo(error)),
    };
    // The records keep the boxes now.
    drop(images);
    let limit = options.jobs.unwrap_or(jobs.len());
    let states: BTreeMap<&str, PowerState> =
        machines.iter().map(|machine| machine.name.as_str()).zip(before).collect();
    let report = std::thread::scope(|scope| {
        if states.values().any(|state| *state != PowerState::Running) {
            // Making a key takes some tenths of a second, in which machines can boot. Whoever needs the
            // key hears of an error, and makes it where no thread can be had.
            let _ = std::thread::Builder::new().spawn_scoped(scope, || lab.key());
        }
        lab.each_machine(&jobs, limit, &|machine, turn| {
            let state = states.get(machine.name).copied().unwrap_or(PowerState::Absent);
            machine.make_ready(state, Until::Ready, turn)
        })
    });
    Ok((lab, report))
}

/// Finds out what there is to begin with (programs, a provider, boxes), and takes the lab on. Where nothing had been made
/// before, nothing is left after an error.
fn begin<'a>(
    context: &'a Context<'a>,
    place: Place,
    labfile: &Labfile,
    options: &Options,
    machines: &[&Machine],
) -> Result<(Lab<'a>, Images, Option<Availability>)> {
    let files = place.files();
    let own = match opened::find(context, &place)? {
        Found::Deleted(entry) => opened::end_strays(context, &files, &entry).map(|()| Block::default())?,
        found => opened::own_of(found)?,
    };
    let lock = Lock::take(&files, &context.command, context.wait())?;
    context.log.begin(&files.log(), &context.command);
    let known = state::read(&files.state())?;
    let found = find(context, &place, labfile, options, machines, known.as_ref());
    let (images, provider, checked) = match (found, &known) {
        (Ok(found), _) => found,
        (Err(error), Some(_)) => return Err(error),
        (Err(error), None) => {
            // The first error is the one to hear of.
            let _ = opened::remove_all(context, &files, lock);
            return Err(error);
        }
    };
    let is_new = known.is_none();
    let mut state = known.unwrap_or_else(|| new_state(provider.name()));
    if !own.is_empty() {
        state.own = own;
    }
    let wanted = options.provider.as_deref().filter(|wanted| *wanted != "auto" && *wanted != state.provider);
    if let Some(wanted) = wanted {
        let message = format!("this lab's machines were made with {}", state.provider);
        return Err(Error::new(Kind::WrongState, message)
            .hint(format!("`lab destroy`, then `lab up --provider {wanted}` makes them anew")));
    }
    if is_new {
        (state.name, state.network) = shape(labfile);
        state::write(&context.home, &files.state(), &state)?;
    }
    let lab = Lab::with_state(context, place, Some(lock), state, provider)?;
    lab.store.update(|state| (state.name, state.network) = shape(labfile))?;
    Ok((lab, images, checked))
}

/// The boxes of new machines, the provider, and what it says of itself where it has been asked.
type Means = (Images, Box<dyn Provider>, Option<Availability>);

fn find(
    context: &Context<'_>,
    place: &Place,
    labfile: &Labfile,
    options: &Options,
    machines: &[&Machine],
    known: Option<&State>,
) -> Result<Means> {
    context.guests.check_installed()?;
    if let Some(known) = known {
        let images = supply::boxes(context, place, labfile, machines, Some(known))?;
        return Ok((images, choose::by_name(&known.provider, context)?, None));
    }
    choose::forget(&place.files(), context, None)?;
    let wanted = options.provider.as_deref().or(labfile.provider.as_deref());
    let mut choice = Choice::of(wanted, context)?;
    let mut chosen = choice.next(&[])?;
    let images = supply::boxes(context, place, labfile, machines, None)?;
    let hardware: Vec<Hardware> = images.hardware();
    // The boxes say what they need; the provider was chosen without knowing it.
    loop {
        let checks = hardware.iter().map(|hardware| chosen.provider.check(hardware, &context.cancel));
        match checks.collect::<Result<Vec<_>>>() {
            Ok(availabilities) => {
                if let Some(why) = chosen.why {
                    context.sink.note(why);
                }
                let checked = availabilities.into_iter().next().unwrap_or(chosen.availability);
                return Ok((images, chosen.provider, Some(checked)));
            }
            Err(error) => chosen = choice.instead(&chosen, error, &hardware)?,
        }
    }
}

/// The machines asked for and all that they come after, as jobs in the Labfile's order.
fn jobs_with_dependencies(machines: &[Machine], asked: &[String]) -> Vec<Job> {
    let mut wanted: BTreeSet<&str> = asked.iter().map(String::as_str).collect();
    loop {
        let more: Vec<&str> = machines
            .iter()
            .filter(|machine| wanted.contains(machine.name.as_str()))
            .flat_map(|machine| machine.after.iter().map(String::as_str))
            .filter(|name| !wanted.contains(name))
            .collect();
        if more.is_empty() {
            break;
        }
        wanted.extend(more);
    }
    machines
        .iter()
        .filter(|machine| wanted.contains(machine.name.as_str()))
        .map(|machine| Job { machine: machine.name.clone(), after: machine.after.clone() })
        .collect()
}

fn new_state(provider: &str) -> State {
    State {
        version: state::VERSION,
        lab_id: uuid::Uuid::new_v4().to_string(),
        provider: provider.to_owned(),
        name: String::new(),
        network: PrivateNetwork::UNKNOWN,
        own: Block::default(),
        machines: BTreeMap::new(),
    }
}

impl Lab<'_> {
    /// All that comes before the first machine is touched; returns what each of `machines` is doing.
    fn prepare_up(
        &self,
        machines: &[&Machine],
        images: &Images,
        checked: Option<Availability>,
    ) -> Result<Vec<PowerState>> {
        self.plan()?;
        let names: Vec<String> = machines.iter().map(|machine| machine.name.clone()).collect();
        let states = self.power_states(&names)?;
        let pick = |wanted: fn(PowerState) -> bool| -> Vec<&Machine> {
            let both = machines.iter().zip(&states);
            both.filter(|(_, state)| wanted(**state)).map(|(machine, _)| *machine).collect()
        };
        let resting = pick(|state| !matches!(state, PowerState::Running | PowerState::CutOff));
        if !resting.is_empty() {
            // A suspended machine keeps the hardware and the ports it had: its RAM knows them.
            let off =
                pick(|state| matches!(state, PowerState::Absent | PowerState::Off | PowerState::Unclear));
            self.make_records(&off, images)?;
            self.note_in_register()?;
            let names: Vec<String> = resting.iter().map(|machine| machine.name.clone()).collect();
            self.prepare(&names, checked)?;
        }
        Ok(states)
    }

    /// `error`, after it has been made sure that a lab none of whose machines exists leaves nothing:
    /// no folder, no claimed port.
    fn undo(self, error: Error) -> Error {
        let names = self.names();
        let states = self.power_states(&names);
        if states.is_ok_and(|states| states.iter().all(|state| *state == PowerState::Absent)) {
            for spec in names.iter().filter_map(|name| self.handle(name).spec().ok()) {
                // What was prepared for them. The first error is the one to hear of.
                let _ = self.provider.destroy(&spec, &self.context.cancel);
            }
            let _ = self.vanish();
        }
        error
    }

    /// Machines that exist and are not in the Labfile any more are left alone, but not silently.
    fn tell_of_strangers(&self, known: &[String]) {
        let names = self.store.look(|state| state.machines.keys().cloned().collect::<Vec<_>>());
        for name in names.iter().filter(|name| !known.contains(name)) {
            let text = "is not in the Labfile any more, and is left as it is";
            self.handle(name).warn(text, format!("`lab destroy {name}` removes it"));
        }
    }

    /// What all machines about to start need: the provider in order, base images, keys, folders. `checked` is what the
    /// provider says of itself, where it has been asked.
    pub(super) fn prepare(&self, names: &[String], checked: Option<Availability>) -> Result<()> {
        let (context, provider) = (self.context, &self.provider);
        let specs: Vec<MachineSpec> = names.iter().filter_map(|name| self.handle(name).spec().ok()).collect();
        let availability = match (checked, specs.first()) {
            (Some(availability), _) => Some(availability),
            (None, Some(spec)) => Some(provider.check(&spec.hardware, &context.cancel)?),
            (None, None) => None,
        };
        if let Some(Availability { version, acceleration, .. }) = availability {
            context.sink.note(format!("{} {version}, {acceleration}", provider.name()));
        }
        keys::write_insecure_key(&self.files.insecure_key())?;
        for note in provider.prepare_lab(&specs, &context.cancel)? {
            context.sink.note(note);
        }
        let mut prepared = BTreeSet::new();
        let store = Store::open(context.home.root())?;
        for spec in specs.iter().filter(|spec| prepared.insert(&spec.image.digest)) {
            let image = store.known(&spec.image.digest, &spec.image.name)?;
            let what = format!("box {}: preparing it for {}", spec.image.name, provider.name());
            provider.prepare_base(&image, &context.cancel, &mut |fraction| {
                let (what, fraction) = (what.clone(), Some(fraction));
                context.sink.emit(Event::Progress { what, fraction, bytes: None });
            })?;
            context.sink.emit(Event::ProgressEnd { what });
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn those_that_come_before_come_along() {
        let text = "[lab]\nbox = \"b\"\n[machine.a]\nafter = [\"b\"]\n[machine.b]\nafter = [\"c\"]\n[machine.c]\n[machine.d]\n";
        let labfile = crate::labfile::parse(text, std::path::Path::new("/x/Labfile")).unwrap().labfile;
        let jobs = jobs_with_dependencies(&labfile.machines, &["a".to_owned()]);
        assert_eq!(jobs.iter().map(|job| job.machine.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
    }
}
