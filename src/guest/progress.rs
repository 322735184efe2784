//! What is known of a running session, line by line.

use std::sync::{Mutex, MutexGuard, PoisonError, mpsc};
use std::time::{Duration, Instant};

use crate::error::Error;
use crate::process::Stream;

use super::access::Access;
use super::failed::Heard;
use super::marks::{Mark, Marks, named_line};
use super::payload::{Payload, script_path};
use super::step::{Step, StepEvent};

/// A session, as far as it has got.
pub(super) struct Progress<'a> {
    access: &'a Access,
    steps: &'a [Step],
    payload: &'a Payload,
    deadline: &'a Mutex<Option<Instant>>,
    marks: Marks,
    /// To be told when the guest greets.
    greet: mpsc::Sender<()>,
    /// The kernel's boot id, when we are in.
    pub(super) boot: Option<String>,
    /// The step that runs, and since when.
    current: Option<(usize, Instant)>,
    setting_up: bool,
    pub(super) heard: Heard,
    pub(super) failure: Option<Error>,
    pub(super) secured: bool,
    /// What decides a login and has changed; `None` where nothing has.
    pub(super) login_changed: Option<Vec<String>>,
    pub(super) ended: bool,
}

impl<'a> Progress<'a> {
    pub(super) fn new(
        access: &'a Access,
        steps: &'a [Step],
        payload: &'a Payload,
        token: &str,
        deadline: &'a Mutex<Option<Instant>>,
        greet: mpsc::Sender<()>,
    ) -> Self {
        Progress {
            access,
            steps,
            payload,
            deadline,
            marks: Marks::new(token),
            greet,
            boot: None,
            current: None,
            setting_up: false,
            heard: Heard::default(),
            failure: None,
            secured: false,
            login_changed: None,
            ended: false,
        }
    }

    /// The step that runs.
    pub(super) fn running(&self) -> Option<&'a Step> {
        self.current.and_then(|(index, _)| self.steps.get(index))
    }

    /// Takes in a line of the session.
    pub(super) fn take(&mut self, stream: Stream, line: &str, on_event: &mut dyn FnMut(StepEvent<'_>)) {
        if stream == Stream::Err {
            self.heard.others_said(line);
            return;
        }
        let Progress { marks, current, heard, steps, setting_up, .. } = self;
        let mark = marks.read(line, |text| match *current {
            _ if *setting_up => {
                heard.step_said(text);
                on_event(StepEvent::SetUpLine { text });
            }
            Some((index, _)) => {
                heard.step_said(text);
                let path = steps.get(index).map(|step| script_path(index, step));
                heard.line = path.and_then(|path| named_line(text, &path)).or(heard.line);
                on_event(StepEvent::Line { index, stream: Stream::Out, text });
            }
            // Before the first mark, start-up files of the login shell. Between the steps only the driver's own
            // shell speaks, and only when something is wrong; or a service that an earlier step left behind.
            None => heard.others_said(text),
        });
        if let Some(mark) = mark {
            self.marked(mark, on_event);
        }
    }

    fn marked(&mut self, mark: Mark, on_event: &mut dyn FnMut(StepEvent<'_>)) {
        let machine = &self.access.machine;
        match mark {
            Mark::In(boot) => {
                on_event(StepEvent::Entered { boot: &boot });
                self.boot = Some(boot);
                // An error means that nobody waits any more.
                let _ = self.greet.send(());
            }
            Mark::Started(index) => {
                self.current = Some((index, Instant::now()));
                self.heard.begin_step();
                let limit = self.steps.get(index).and_then(|step| step.timeout);
                *lock(self.deadline) = limit.and_then(|limit| Instant::now().checked_add(limit));
                on_event(StepEvent::Started { index });
                for path in self.payload.skipped(index) {
                    let text = format!("left out {}: neither a file, a folder nor a symlink", path.display());
                    on_event(StepEvent::Line { index, stream: Stream::Err, text: &text });
                }
            }
            Mark::Skipped(index) => on_event(StepEvent::Skipped { index }),
            Mark::Finished(index) => {
                *lock(self.deadline) = None;
                let took = self.current.take().map_or(Duration::ZERO, |(_, since)| since.elapsed());
                on_event(StepEvent::Finished { index, took });
            }
            Mark::Failed(index, why) => {
                *lock(self.deadline) = None;
                self.current = None;
                self.failure = Some(match self.steps.get(index) {
                    Some(step) => self.heard.step_failed(self.access, step, why),
                    None => Error::internal(format!("{machine} speaks of a step {index}")),
                });
            }
            Mark::SettingUp => {
                self.setting_up = true;
                on_event(StepEvent::SettingUp);
            }
            Mark::SetUp => {
                self.setting_up = false;
                on_event(StepEvent::SetUp);
            }
            Mark::SetUpFailed(status) => self.failure = Some(self.heard.set_up_failed(machine, status)),
            Mark::Secured(secured) => self.secured = secured,
            Mark::NoRoom(room) => self.heard.no_room = Some(room),
            Mark::GoingDown => {
                *lock(self.deadline) = None;
                on_event(StepEvent::GoingDown);
            }
            Mark::KeyRestored => {
                let user = &self.access.user;
                let text = format!(
                    "a provisioner took the lab's key out of ~{user}/.ssh/authorized_keys; it is back in there"
                );
                on_event(StepEvent::PutRight { text: &text });
            }
            Mark::LoginChanged(names) => self.login_changed = Some(names),
            Mark::Ended => self.ended = true,
        }
    }
}

/// The content of `mutex`, whoever panicked with it.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
