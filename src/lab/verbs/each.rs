//! A verb goes over its machines.

use std::time::Duration;

use crate::error::Result;
use crate::lab::crew::{self, Job, Turn};
use crate::lab::machine::Handle;
use crate::lab::tell::event::{Event, Outcome};
use crate::lab::{Lab, Report};
use crate::provider::PowerState;

impl Lab<'_> {
    /// Lets `work` go over `jobs` side by side, telling how each came out.
    pub(super) fn each_machine(
        &self,
        jobs: &[Job],
        limit: usize,
        work: &(dyn Fn(Handle<'_>, &Turn<'_>) -> Result<Outcome> + Sync),
    ) -> Report {
        let sink = self.context.sink;
        sink.emit(Event::Begin { machines: jobs.iter().map(|job| job.machine.clone()).collect() });
        let on_wait = |name: &str, on: &[&str]| {
            let on = on.iter().map(|&name| name.to_owned()).collect();
            sink.emit(Event::Waiting { machine: name.to_owned(), on });
        };
        let on_end = |machine: &str, result: &Result<Outcome>, took: Duration| {
            let machine = machine.to_owned();
            sink.emit(match result {
                Ok(outcome) => Event::Done { machine, outcome: *outcome, took },
                Err(error) => Event::Failed { machine, error: error.clone() },
            });
        };
        let work = |name: &str, turn: &Turn<'_>| work(self.handle(name), turn);
        let results = crew::run(jobs, limit, &self.context.cancel, &on_wait, &on_end, &work);
        sink.emit(Event::End);
        let machines = jobs.iter().map(|job| job.machine.clone()).zip(results).collect();
        Report { machines }
    }

    /// `work` over the machines of `names` side by side, with what each is doing. None waits for another.
    ///
    /// # Errors
    /// Those of [`crate::provider::Provider::states`]; a machine's own are in the report.
    pub(super) fn each_existing(
        &self,
        names: &[String],
        work: &(dyn Fn(Handle<'_>, PowerState) -> Result<Outcome> + Sync),
    ) -> Result<Report> {
        let states = self.power_states(names)?;
        let jobs = alone(names);
        Ok(self.each_machine(&jobs, jobs.len(), &|machine, _| {
            let place = names.iter().position(|known| known == machine.name);
            let state = place.and_then(|place| states.get(place));
            work(machine, state.copied().unwrap_or(PowerState::Absent))
        }))
    }
}

/// Jobs of machines that wait for nobody.
pub(super) fn alone(names: &[String]) -> Vec<Job> {
    names.iter().map(|name| Job { machine: name.clone(), after: Vec::new() }).collect()
}
