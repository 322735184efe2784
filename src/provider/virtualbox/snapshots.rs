//! Snapshots: a machine's disk as it was, and its RAM where it ran.
//!
//! Which there are stands in the machine's settings file, which VirtualBox writes with each change: `VBoxManage snapshot list`
//! tells neither when one was taken nor whether it has RAM. What the file looks like: `VirtualBox-settings.xsd` in
//! VirtualBox's sources, and what 7.2.22 wrote.

use std::time::{Duration, SystemTime};

use super::files::Files;
use super::manage::Manage;
use super::{VirtualBox, power_off, unclear};
use crate::cancel::Cancel;
use crate::error::{Error, Kind, Result};
use crate::provider::{MachineSpec, PowerState, Snapshot, Snapshots, refusal};
use crate::unlink;

impl Snapshots for VirtualBox {
    fn list(&self, machine: &MachineSpec) -> Result<Vec<Snapshot>> {
        Ok(list(machine)?.into_iter().map(|(_, snapshot)| snapshot).collect())
    }

    fn take(&self, machine: &MachineSpec, name: &str, cancel: &Cancel) -> Result<()> {
        let lock = Files::of(machine).lock(cancel)?;
        let manage = self.program.holding(&lock);
        match self.settled(manage, machine, cancel)? {
            PowerState::Running | PowerState::Paused | PowerState::Off | PowerState::Suspended => {}
            PowerState::Absent => return Err(refusal::absent(machine)),
            PowerState::Busy | PowerState::CutOff | PowerState::Unclear => return Err(unclear(machine)),
        }
        // VirtualBox would take a second one of the same name.
        if list(machine)?.iter().any(|(_, snapshot)| snapshot.name == name) {
            return Err(refusal::snapshot_exists(machine, name));
        }
        // Without `--live`: the machine stands still while its RAM is written, and needs no second pass over it.
        work(manage, machine, ["snapshot", &machine.id, "take", name])
    }

    fn restore(&self, machine: &MachineSpec, name: &str, cancel: &Cancel) -> Result<()> {
        let lock = Files::of(machine).lock(cancel)?;
        let manage = self.program.holding(&lock);
        self.settled(manage, machine, cancel)?;
        let id = find(machine, name)?;
        if let Some(seen) = self.look(manage, machine)?
            && seen.state != PowerState::Suspended
        {
            power_off(manage, &seen)?;
        }
        // Its settings become those of then.
        unlink::file(&Files::of(machine).given())?;
        work(manage, machine, ["snapshot", &machine.id, "restore", &id])
    }

    fn delete(&self, machine: &MachineSpec, name: &str, cancel: &Cancel) -> Result<()> {
        let lock = Files::of(machine).lock(cancel)?;
        let manage = self.program.holding(&lock);
        self.settled(manage, machine, cancel)?;
        let id = find(machine, name)?;
        work(manage, machine, ["snapshot", &machine.id, "delete", &id])
    }
}

/// Makes a call that moves disks or RAM. Not cancelled half-way: VirtualBox would go on by itself.
fn work(manage: Manage<'_>, machine: &MachineSpec, call: [&str; 4]) -> Result<()> {
    let done = manage.work(call, &Cancel::new(), &mut |_| {})?;
    done.map(drop).map_err(|failure| Error::from(failure).of(&machine.name))
}

/// VirtualBox's id of the snapshot called `name`.
fn find(machine: &MachineSpec, name: &str) -> Result<String> {
    let there = list(machine)?;
    let found = there.iter().find(|(_, snapshot)| snapshot.name == name);
    found.map(|(id, _)| id.clone()).ok_or_else(|| {
        let others: Vec<&str> = there.iter().map(|(_, snapshot)| snapshot.name.as_str()).collect();
        refusal::no_snapshot(machine, name, &others)
    })
}

/// A machine's snapshots with VirtualBox's ids, the oldest first.
fn list(machine: &MachineSpec) -> Result<Vec<(String, Snapshot)>> {
    let Some(file) = Files::of(machine).settings() else { return Ok(Vec::new()) };
    let text = std::fs::read_to_string(&file).map_err(|source| Error::io("read", &file, &source))?;
    snapshots(&text).ok_or_else(|| {
        let message = "VirtualBox's settings file of it is damaged";
        Error::new(Kind::StateDamaged, message).of(&machine.name).detail(file.display().to_string())
    })
}

/// Those in a settings file; `None` where it is not one.
fn snapshots(text: &str) -> Option<Vec<(String, Snapshot)>> {
    let document = roxmltree::Document::parse(text).ok()?;
    let mut found: Vec<(String, Snapshot)> = document
        .descendants()
        .filter(|node| node.is_element() && node.tag_name().name() == "Snapshot")
        .filter_map(|node| {
            let snapshot = Snapshot {
                name: node.attribute("name")?.to_owned(),
                with_ram: node.attribute("stateFile").is_some(),
                taken: node.attribute("timeStamp").and_then(moment),
            };
            Some((node.attribute("uuid")?.trim_matches(['{', '}']).to_owned(), snapshot))
        })
        .collect();
    // In the file, one that was taken after another was restored may stand before older ones.
    found.sort_by_key(|(_, snapshot)| snapshot.taken);
    Some(found)
}

/// The moment `2026-11-23T04:25:33Z`.
fn moment(text: &str) -> Option<SystemTime> {
    let seconds = text.parse::<jiff::Timestamp>().ok()?.as_second();
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(u64::try_from(seconds).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snapshots_are_read_with_their_ram_and_their_time() {
        // As VirtualBox 7.2.22 wrote it, shortened.
        let text = r#"<?xml version="1.0"?>
            <VirtualBox xmlns="http://www.virtualbox.org/" version="1.19-linux">
              <Machine uuid="{22222222-2222-4222-8222-222222222222}" name="c-web1" currentSnapshot="{3}">
                <Snapshot uuid="{1}" name="clean" timeStamp="2026-11-23T04:25:33Z">
                  <Hardware/>
                  <Snapshots>
                    <Snapshot uuid="{3}" name="again" timeStamp="2026-11-25T00:00:00Z"/>
                    <Snapshot uuid="{2}" name="at &quot;work&quot;" timeStamp="2026-11-24T04:25:33Z" stateFile="Snapshots/2026.sav"/>
                  </Snapshots>
                </Snapshot>
              </Machine>
            </VirtualBox>"#;
        let found = snapshots(text).unwrap();
        let said: Vec<_> =
            found.iter().map(|(id, found)| (id.as_str(), found.name.as_str(), found.with_ram)).collect();
        assert_eq!(said, [("1", "clean", false), ("2", "at \"work\"", true), ("3", "again", false)]);
        assert_eq!(found[0].1.taken, moment("2026-11-23T04:25:33Z"));
        assert!(snapshots("<VirtualBox").is_none());
    }

    #[test]
    fn moments_are_those_of_the_calendar() {
        let seconds =
            |text| moment(text)?.duration_since(SystemTime::UNIX_EPOCH).ok().map(|since| since.as_secs());
        assert_eq!(seconds("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(seconds("2000-02-29T12:00:01Z"), Some(951_825_601));
        assert_eq!(seconds("2026-11-23T04:25:33Z"), Some(1_795_407_933));
        for text in ["2026-11-23", "2026-13-23T04:25:33Z", "1969-01-01T00:00:00Z", "yesterday"] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }
}
