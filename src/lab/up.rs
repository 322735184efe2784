//! Forward: absent → created → running → reachable → configured → provisioned = ready.
//!
//! Each machine's provider is asked where the machine is, and the remaining steps are taken. Every
//! step can be done twice without harm, and the state is written *before* what it announces, so that
//! nothing exists that the state does not know.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Error, Kind, Result};
use crate::guest::{access, keys};
use crate::labfile::Labfile;
use crate::labfile::model::Machine;
use crate::provider::{Availability, MachineSpec, PowerState, Provider};

use super::event::Event;
use super::files::{choose_run_dir, make_run_dir};
use super::lock::Lock;
use super::state::{self, Record, State};
use super::supply::{self, Images};
use super::{Context, Lab, Place, Report, crew, down, providers, select};

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

/// `lab up`: makes the machines ready.
///
/// # Errors
/// Those that concern the lab as a whole; a machine's own are in the report.
pub fn up(context: &Context<'_>, place: Place, options: &Options) -> Result<Report> {
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

    let files = place.files();
    if let Some(refusal) = context.register().find(&place.dir)?.refusal() {
        return Err(refusal);
    }
    let lock = Lock::take(&files, &context.command, context.wait())?;
    context.log.begin(&files.log(), &context.command);
    let known = state::read(&files.state())?;
    let begun = begin(context, &place, &labfile, options, &machines, known.as_ref());
    let Begun { images, state, provider, checked } = match (begun, &known) {
        (Ok(begun), _) => begun,
        (Err(error), Some(_)) => return Err(error),
        (Err(error), None) => {
            // The first error is the one to hear of.
            let _ = down::remove_lab_dir(context, &files, lock);
            return Err(error);
        }
    };
    if let Some(wanted) =
        options.provider.as_deref().filter(|wanted| *wanted != "auto" && *wanted != state.provider)
    {
        return Err(Error::new(
            Kind::WrongState,
            format!("this lab's machines were made with {}", state.provider),
        )
        .hint(format!("`lab destroy`, then `lab up --provider {wanted}` makes them anew")));
    }
    if !files.state().exists() {
        state::Store::create(files.state(), state.clone())?;
    }
    let lab = Lab::with_state(context, place, Some(lock), state, provider)?;
    lab.tell_of_strangers(&all);
    let before = match lab.get_ready_to_go(&machines, &images, checked) {
        Ok(before) => before,
        Err(error) => return Err(lab.undone(error)),
    };
    // The records keep the boxes now.
    drop(images);
    let limit = options.jobs.unwrap_or(jobs.len());
    let states: BTreeMap<&str, PowerState> =
        machines.iter().map(|machine| machine.name.as_str()).zip(before).collect();
    let work = |name: &str| {
        let machine = machines.iter().find(|machine| machine.name == name);
        let machine = machine.ok_or_else(|| Error::internal(format!("{name} is not in the Labfile")))?;
        let result = lab.converge(machine, states.get(name).copied().unwrap_or(PowerState::Absent));
        if let Err(error) = &result
            && error.kind() != Kind::Interrupted
        {
            lab.note_failure(name, error);
        }
        result
    };
    Ok(std::thread::scope(|scope| {
        if states.values().any(|state| *state != PowerState::Running) {
            // Making a key takes some tenths of a second, in which machines can boot. Whoever needs the
            // key hears of an error.
            scope.spawn(|| lab.key());
        }
        lab.for_each(&jobs, limit, &work)
    }))
}

/// What has to be known before a lab is touched.
struct Begun {
    /// The boxes of new machines.
    images: Images,
    /// The lab's state, or a new one.
    state: State,
    /// The one that `state` names; what it has found out about this computer, it knows.
    provider: Box<dyn Provider>,
    /// What the provider says of itself, where it has been asked.
    checked: Option<Availability>,
}

/// Finds out what there is to begin with: programs, boxes, a provider.
fn begin(
    context: &Context<'_>,
    place: &Place,
    labfile: &Labfile,
    options: &Options,
    machines: &[&Machine],
    known: Option<&State>,
) -> Result<Begun> {
    access::check_installed()?;
    let images = supply::boxes(context, place, labfile, machines, known)?;
    let (state, provider, checked) = match known {
        Some(state) => (state.clone(), providers::by_name(&state.provider, &context.home)?, None),
        None => {
            providers::forget(&place.files(), &context.home)?;
            let first = images.first().ok_or_else(|| Error::internal("a new lab without a box"))?;
            let wanted = options.provider.as_deref().or(labfile.provider.as_deref());
            let chosen = providers::choose(wanted, &first.hardware, &context.home, &context.cancel)?;
            if let Some(why) = chosen.why {
                context.sink.note(why);
            }
            (new_state(chosen.provider.name()), chosen.provider, Some(chosen.availability))
        }
    };
    Ok(Begun { images, state, provider, checked })
}

/// The machines asked for and all that they come after, as jobs in the Labfile's order.
fn jobs_with_dependencies(machines: &[Machine], asked: &[String]) -> Vec<crew::Job> {
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
        .map(|machine| crew::Job { machine: machine.name.clone(), after: machine.after.clone() })
        .collect()
}

fn new_state(provider: &str) -> State {
    let lab_id = uuid::Uuid::new_v4().to_string();
    State {
        version: state::VERSION,
        run_dir: choose_run_dir(&lab_id),
        lab_id,
        provider: provider.to_owned(),
        network_port: 0,
        machines: BTreeMap::new(),
    }
}

impl Lab<'_> {
    /// All that comes before the first machine is touched; returns what each of `machines` is doing.
    fn get_ready_to_go(
        &self,
        machines: &[&Machine],
        images: &Images,
        checked: Option<Availability>,
    ) -> Result<Vec<PowerState>> {
        self.claim_network()?;
        let names: Vec<String> = machines.iter().map(|machine| machine.name.clone()).collect();
        let states = self.power_states(&names)?;
        let pick = |wanted: fn(PowerState) -> bool| -> Vec<&Machine> {
            let both = machines.iter().zip(&states);
            both.filter(|(_, state)| wanted(**state)).map(|(machine, _)| *machine).collect()
        };
        let resting = pick(|state| state != PowerState::Running);
        if !resting.is_empty() {
            // A suspended machine keeps the hardware and the ports it had: its RAM knows them.
            let off =
                pick(|state| matches!(state, PowerState::Absent | PowerState::Off | PowerState::Unclear));
            self.make_records(&off, images)?;
            self.note_in_register()?;
            self.prepare(&resting, checked)?;
        }
        Ok(states)
    }

    /// `error`, after it has been made sure that a lab none of whose machines exists leaves nothing:
    /// no folder, no claimed port.
    fn undone(self, error: Error) -> Error {
        let states = self.power_states(&self.names());
        if states.is_ok_and(|states| states.iter().all(|state| *state == PowerState::Absent)) {
            for (name, record) in &self.store.snapshot().machines {
                // What was prepared for them. The first error is the one to hear of.
                let _ = self.provider.destroy(&self.spec(name, record));
            }
            let _ = self.vanish();
        }
        error
    }

    /// Machines that exist and are not in the Labfile any more are left alone, but not silently.
    fn tell_of_strangers(&self, known: &[String]) {
        for name in self.store.snapshot().machines.keys().filter(|name| !known.contains(name)) {
            let text = "is not in the Labfile any more, and is left as it is";
            self.warn(name, text, format!("`lab destroy {name}` removes it"));
        }
    }

    /// What all machines about to start need: the provider in order, base images, keys, folders.
    pub(super) fn prepare(&self, machines: &[&Machine], checked: Option<Availability>) -> Result<()> {
        let state = self.store.snapshot();
        let records: Vec<&Record> =
            machines.iter().filter_map(|machine| state.machines.get(&machine.name)).collect();
        let availability = match (checked, records.first()) {
            (Some(availability), _) => Some(availability),
            (None, Some(record)) => Some(self.provider.check(&record.hardware, &self.context.cancel)?),
            (None, None) => None,
        };
        if let Some(availability) = availability {
            let Availability { version, acceleration, .. } = &availability;
            self.context.sink.note(format!("{} {version}, {acceleration}", self.provider.name()));
        }
        make_run_dir(&state.run_dir)?;
        keys::write_insecure_key(&self.files.insecure_key())?;
        let specs: Vec<MachineSpec> = machines
            .iter()
            .filter_map(|machine| Some(self.spec(&machine.name, state.machines.get(&machine.name)?)))
            .collect();
        for note in self.provider.prepare_network(&specs)? {
            self.context.sink.note(note);
        }
        let mut prepared = BTreeSet::new();
        for record in records {
            if !prepared.insert(&record.image.digest) {
                continue;
            }
            let what = format!("box {}: preparing it for {}", record.image.name, self.provider.name());
            self.provider.prepare_base(&record.image, &self.context.cancel, &mut |fraction| {
                let (what, fraction) = (what.clone(), Some(fraction));
                self.context.sink.emit(Event::Progress { what, fraction, bytes: None });
            })?;
            self.context.sink.emit(Event::ProgressEnd { what });
        }
        Ok(())
    }
}
