//! A machine's power: up from any state, and down.

use std::time::{Duration, Instant};

use crate::error::{Kind, Result};
use crate::guest::power;
use crate::provider::{PowerState, Wish};
use crate::unlink;

use super::handle::Handle;
use crate::lab::tell::event::Phase;

/// How often another port is tried when somebody took ours between the choice and the start.
const PORT_TRIES: usize = 5;

impl Handle<'_> {
    /// Any state → running; tells whether the machine was woken with its RAM rather than booted. A machine that runs is left
    /// as it is.
    pub(super) fn bring_to_run(self, state: PowerState) -> Result<bool> {
        let lab = self.lab;
        let cancel = &lab.context.cancel;
        cancel.check()?;
        let mut state = self.settled(state)?;
        lab.files.make_machine(self.name)?;
        if state == PowerState::Unclear {
            self.note("does not answer; starting it afresh");
            self.cut_power()?;
            state = self.power()?;
        }
        if matches!(state, PowerState::Running | PowerState::Paused) && self.record()?.readiness.is_halting()
        {
            // A `halt` was killed or stopped, and the guest may be going down: to its end, then up again.
            self.shut_down(state)?;
            state = PowerState::Off;
        }
        if state == PowerState::Absent {
            self.forget_host()?;
            self.update(|record| {
                record.readiness.made_anew();
                record.snapshots.clear();
            })?;
            let spec = self.spec()?;
            self.doing(Phase::Creating, || lab.provider.create(&spec, cancel))?;
            state = PowerState::Off;
        }
        match state {
            PowerState::Running | PowerState::CutOff => Ok(false),
            PowerState::Suspended | PowerState::Paused => {
                self.update(|record| record.readiness.waking())?;
                self.doing(Phase::Resuming, || self.start())?;
                Ok(true)
            }
            PowerState::Off | PowerState::Absent | PowerState::Busy | PowerState::Unclear => {
                self.update(|record| record.readiness.booting())?;
                self.doing(Phase::Starting, || self.start())?;
                Ok(false)
            }
        }
    }

    /// Starts it, moving ports that may be moved where somebody has just taken them.
    fn start(self) -> Result<()> {
        let lab = self.lab;
        let mut tries = 0;
        loop {
            let spec = self.spec()?;
            let error = match lab.provider.start(&spec, &lab.context.cancel) {
                Ok(()) => return Ok(()),
                Err(error) => error,
            };
            tries += 1;
            if error.kind() != Kind::PortTaken || tries == PORT_TRIES {
                return Err(match lab.provider.log(&spec) {
                    Some(log) if error.kind() == Kind::StartFailed => {
                        error.hint(format!("the whole log, with the command line: {}", log.display()))
                    }
                    _ => error,
                });
            }
            let forwards = match self.in_labfile() {
                Some(machine) => self.claim_forwards(machine)?,
                None => spec.forwards,
            };
            let wish = Wish { name: self.name, base_mac: spec.hardware.base_mac };
            let planned = lab.provider.plan_machine(wish, &spec.own.machine, &lab.ports)?;
            planned.notes.into_iter().for_each(|note| self.note(note));
            self.update(|record| {
                record.own = planned.own;
                record.forwards = forwards;
            })?;
        }
    }

    /// Running or paused → off: presses the power button, again where it has been pressed, and cuts the power after the
    /// Labfile's patience.
    pub fn shut_down(self, state: PowerState) -> Result<()> {
        let lab = self.lab;
        let spec = self.spec()?;
        let patience = self.in_labfile().map_or(model_patience(), |machine| machine.halt_timeout);
        self.doing(Phase::Halting, || {
            if state == PowerState::CutOff {
                if self.shut_down_over_ssh(patience)? {
                    return Ok(());
                }
            } else if matches!(state, PowerState::Running | PowerState::Paused) {
                // Before it is true: should we be killed, nobody takes the machine for a ready one.
                self.update(|record| record.readiness.halting())?;
                if lab.provider.shut_down(&spec, patience, &lab.context.cancel)? {
                    return Ok(());
                }
                let waited = patience.as_secs();
                self.note(format!("did not shut down within {waited} s: cutting its power"));
            }
            lab.provider.power_off(&spec, &lab.context.cancel)
        })
    }

    /// Has the guest of a machine whose button cannot be pressed shut itself down; tells whether it went off in time.
    fn shut_down_over_ssh(self, patience: Duration) -> Result<bool> {
        let cancel = &self.lab.context.cancel;
        let until = Instant::now() + patience;
        self.update(|record| record.readiness.halting())?;
        self.note("its control sockets are gone; its guest is told over ssh to power off");
        // The connection ends with the guest: how says nothing. One that hangs is given up with the patience.
        let _ = power::off(&self.access(false)?, patience, cancel);
        cancel.check()?;
        while self.power()? != PowerState::Off {
            if Instant::now() >= until {
                self.note(format!("did not power off within {} s: cutting its power", patience.as_secs()));
                return Ok(false);
            }
            cancel.sleep(self.lab.provider.pace().settle)?;
        }
        Ok(true)
    }

    /// Any state → off, at once.
    pub fn cut_power(self) -> Result<()> {
        let lab = self.lab;
        let spec = self.spec()?;
        lab.context
            .log
            .step(self.name, "cut the power", || lab.provider.power_off(&spec, &lab.context.cancel))
    }

    /// Forgets the machine's host key.
    pub(super) fn forget_host(self) -> Result<()> {
        unlink::file(&self.lab.files.known_hosts(self.name))
    }
}

/// How long a graceful shutdown may take where the Labfile cannot be asked.
fn model_patience() -> Duration {
    Duration::from_secs(30)
}
