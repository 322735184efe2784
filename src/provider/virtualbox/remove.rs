//! Taking machines out of VirtualBox and off the disk, and nothing else.

use std::fs;
use std::path::{Path, PathBuf};

use super::answers::{self, Machine, Medium};
use super::disks;
use super::export;
use super::failure::Failure;
use super::files::{self, Files};
use super::keep;
use super::manage::Manage;
use super::registry;
use crate::error::{Error, Kind, Result};
use crate::provider::{MachineSpec, PowerState};
use crate::unlink;

/// How often a machine is made known to VirtualBox before it is taken for damaged.
const REGISTER_TRIES: u32 = 3;

/// Removes a machine, in whatever state it is, and what killed commands left of it. Disks in its folder that lab did not make
/// are moved to its `kept_dir`.
///
/// # Errors
/// [`Kind::WrongState`] when a machine that is not the lab's hangs on one of its disks; nothing has been touched then.
pub(super) fn machine(manage: Manage<'_>, machine: &MachineSpec) -> Result<()> {
    let files = Files::of(machine);
    let found = find(manage, &machine.id)?;
    if let Found::Whole(seen) = &found
        && files.has(&seen.config)
    {
        let media = answers::media(&manage.list(&["hdds"])?);
        check_disks(&media, &files.folder())?;
        super::power_off(manage, seen)?;
        keep::known(manage, &media, &files.folder(), &machine.kept_dir)?;
        unregister(manage, &machine.id)?;
    }
    if let Found::Broken(_) = &found {
        // Its settings are gone or damaged. The id is ours, and no file is touched by this.
        unregister(manage, &machine.id)?;
    }
    take_out_all(manage, &files.folder(), &machine.kept_dir)?;
    export::remove_copy(manage, machine)?;
    unlink::folder(&files.folder())?;
    unlink::file(&files.given())?;
    remove_seed(manage, &machine.dir)?;
    unlink::file(&files.console())
}

/// Takes all that lies in `folder` out of VirtualBox's lists: machines whose settings are, or were, there, and disks, such as those
/// of a clone that failed or was killed. What is the user's is moved to the folder `kept`; nothing else is touched.
fn take_out_all(manage: Manage<'_>, folder: &Path, kept: &Path) -> Result<()> {
    let ids = registry::machines_in(folder);
    for id in &ids {
        if let Found::Whole(seen) = find(manage, id)? {
            super::power_off(manage, &seen)?;
        }
    }
    if !ids.is_empty() {
        keep::known(manage, &answers::media(&manage.list(&["hdds"])?), folder, kept)?;
    }
    for id in &ids {
        unregister(manage, id)?;
    }
    disks::close_all(manage, folder)?;
    keep::strays(folder, kept)
}

/// Does the same for all machines of a lab whose folders are, or were, in `folder`.
pub(super) fn forget(manage: Manage<'_>, folder: &Path, kept: &Path) -> Result<()> {
    let with_machine =
        |path: PathBuf| path.file_name().map(|name| (files::folder_in(&path), kept.join(name)));
    let homes =
        fs::read_dir(folder).into_iter().flatten().flatten().filter_map(|entry| with_machine(entry.path()));
    for (home, kept) in homes.filter(|(home, _)| home.exists()) {
        take_out_all(manage, &home, &kept)?;
        if let Some(dir) = home.parent() {
            remove_seed(manage, dir)?;
        }
    }
    // Those whose folders are gone.
    if registry::machines_in(folder).is_empty() { Ok(()) } else { take_out_all(manage, folder, kept) }
}

/// The machines of a lab whose folders are, or were, in `folder` that run, by name.
pub(super) fn running(manage: Manage<'_>, folder: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for id in registry::machines_in(folder) {
        if let Found::Whole(seen) = find(manage, &id)?
            && !matches!(seen.state, PowerState::Absent | PowerState::Off | PowerState::Suspended)
        {
            let dir = seen.config.strip_prefix(folder).ok().and_then(|path| path.components().next());
            names.push(dir.map_or(id, |dir| dir.as_os_str().to_string_lossy().into_owned()));
        }
    }
    Ok(names)
}

/// Removes the disc that told a machine its user, which VirtualBox keeps in its list of discs.
fn remove_seed(manage: Manage<'_>, dir: &Path) -> Result<()> {
    let seed = files::seed_in(dir);
    if seed.exists() {
        // Refused where it is not in the list.
        manage.call([Path::new("closemedium"), Path::new("dvd"), &seed])?.ok();
    }
    unlink::file(&seed)
}

/// What there is already of a machine that is to be cloned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Before {
    /// Nothing, or nothing any more.
    Nothing,
    /// The machine; VirtualBox knows it.
    Machine,
}

/// Looks after what is there of a machine that VirtualBox does not show. One that was whole is made known to VirtualBox again;
/// anything less is removed.
///
/// # Errors
/// [`Kind::StateDamaged`] when it was whole and VirtualBox cannot read it: it may hold somebody's work.
pub(super) fn look_after(manage: Manage<'_>, machine: &MachineSpec) -> Result<Before> {
    let files = Files::of(machine);
    let was_whole = whole(machine);
    match find(manage, &machine.id)? {
        Found::Whole(seen) if files.has(&seen.config) && seen.config.exists() => return Ok(Before::Machine),
        Found::Whole(seen) if seen.config.exists() => return Err(copied()),
        Found::Whole(seen) => {
            // Its files were removed under VirtualBox.
            super::power_off(manage, &seen)?;
            unregister(manage, &machine.id)?;
        }
        Found::Broken(failure) if files.given().exists() && was_whole.is_none() => {
            return Err(unreadable(machine).detail(failure.words()));
        }
        // Half made; or its folder has been moved.
        Found::Broken(_) => unregister(manage, &machine.id)?,
        Found::Nothing => {}
    }
    if let Some(settings) = was_whole {
        return make_known(manage, machine, &settings);
    }
    take_out_all(manage, &files.folder(), &machine.kept_dir)?;
    unlink::folder(&files.folder())?;
    unlink::file(&files.given())?;
    Ok(Before::Nothing)
}

/// The settings file of a machine that has been whole.
fn whole(machine: &MachineSpec) -> Option<PathBuf> {
    let files = Files::of(machine);
    let settings = files.settings().filter(|file| settings_id(file).as_deref() == Some(&machine.id));
    // The notes are written when a machine has all it is to have.
    settings.filter(|_| files.given().exists())
}

/// Has VirtualBox read a machine anew that it knows and says nothing of any more but `failure`: seen with 7.2 on a busy
/// computer, a moment after it had been taken in.
///
/// # Errors
/// `failure`, where the machine has not been whole; [`Kind::StateDamaged`] when it cannot be read after all.
pub(super) fn take_in_again(manage: Manage<'_>, machine: &MachineSpec, failure: Failure) -> Result<()> {
    let Some(settings) = whole(machine) else { return Err(failure.into()) };
    unregister(manage, &machine.id)?;
    make_known(manage, machine, &settings).map(drop)
}

/// Makes a whole machine known to VirtualBox again. Once in a while, on a busy computer, it takes one and does not find its disks
/// (seen with 7.2): taken out and in again, it does.
fn make_known(manage: Manage<'_>, machine: &MachineSpec, settings: &Path) -> Result<Before> {
    let mut refused = None;
    for _ in 0..REGISTER_TRIES {
        refused = register(manage, settings)?;
        if refused.is_none() {
            match find(manage, &machine.id)? {
                Found::Broken(failure) => {
                    refused = Some(failure);
                    unregister(manage, &machine.id)?;
                }
                Found::Whole(_) | Found::Nothing => return Ok(Before::Machine),
            }
        }
    }
    let error = unreadable(machine);
    Err(match refused {
        Some(failure) => error.detail(failure.words()),
        None => error,
    })
}

/// What VirtualBox has under an id.
enum Found {
    Nothing,
    /// Known, and its settings cannot be read.
    Broken(Failure),
    Whole(Machine),
}

fn find(manage: Manage<'_>, id: &str) -> Result<Found> {
    match manage.call(["showvminfo", id, "--machinereadable"])? {
        Ok(answer) => answers::machine(&answer.out).map(Found::Whole).ok_or_else(|| {
            Error::new(Kind::ProgramFailed, "VBoxManage did not say where the machine is")
                .detail(answer.out.trim_end())
        }),
        Err(failure) if failure.is_not_found() => Ok(Found::Nothing),
        Err(failure) if failure.is_inaccessible() => Ok(Found::Broken(failure)),
        Err(failure) => Err(failure.into()),
    }
}

/// Takes a machine out of VirtualBox's list. With it go its media, from the list; no file is touched.
fn unregister(manage: Manage<'_>, id: &str) -> Result<()> {
    match manage.call(["unregistervm", id])? {
        Err(failure) if !failure.is_not_found() => Err(failure.into()),
        _ => Ok(()),
    }
}

/// Makes a machine known to VirtualBox; or why it cannot be. Its disks went out of the list with it: a look at each takes it
/// up again, the older ones before those that are a difference to them.
fn register(manage: Manage<'_>, settings: &Path) -> Result<Option<Failure>> {
    let disks = settings.parent().map(|home| disks_in(&home.join("Snapshots"))).unwrap_or_default();
    let look =
        |disk: &PathBuf| Ok(manage.call([Path::new("showmediuminfo"), Path::new("disk"), disk])?.is_ok());
    disks::in_rounds(disks, look)?;
    Ok(manage.call([Path::new("registervm"), settings])?.err())
}

fn disks_in(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries.filter(|path| path.extension().is_some_and(|extension| extension == "vdi")).collect()
}

/// The id in a settings file: that of its first `Machine`.
fn settings_id(file: &Path) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let document = roxmltree::Document::parse(&text).ok()?;
    let machine =
        document.descendants().find(|node| node.is_element() && node.tag_name().name() == "Machine")?;
    Some(machine.attribute("uuid")?.trim_matches(['{', '}']).to_owned())
}

/// Refuses to take disks away from under a machine that is not the lab's: a clone that a user made of it.
fn check_disks(media: &[Medium], folder: &Path) -> Result<()> {
    match answers::media_of_others(media, &disks::real(folder)).first() {
        None => Ok(()),
        Some(medium) => {
            Err(Error::new(Kind::WrongState, "another machine in VirtualBox is linked to its disk")
                .detail(format!("that machine's disk: {}", medium.location.display()))
                .hint("remove that machine first, or make a full clone of it, then run the command again"))
        }
    }
}

/// The error for a machine whose id VirtualBox knows from another folder.
pub(super) fn copied() -> Error {
    Error::new(Kind::WrongState, "VirtualBox has this machine already, in another folder")
        .hint("was the lab's folder copied? Then remove .lab in the copy, and type `lab up` again")
}

fn unreadable(machine: &MachineSpec) -> Error {
    let folder = Files::of(machine).folder();
    Error::new(Kind::StateDamaged, "VirtualBox cannot read the machine's settings")
        .detail(format!("they lie in {}", folder.display()))
        .hint("the file beside them that ends in .vbox-prev is the state before the last change: copy it over the .vbox file")
        .hint(format!("or give the machine up: `lab destroy {}`", machine.name))
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::super::manage::Program;
    use super::*;
    use crate::provider::qemu::tests::machine_in;

    /// Knows one machine, and says nothing of it for as many times as `mute` has letters, one less with each
    /// time that it is taken in.
    const MANAGE: &str = r#"#!/bin/sh
here=${0%/*}
echo "$1" >>"$here/calls"
read -r mute <"$here/mute"
case $1 in
showvminfo)
    if [ -n "$mute" ]; then cat "$here/inaccessible" >&2; exit 1; fi
    printf 'UUID="%s"\nCfgFile="%s"\nVMState="poweroff"\n' "$2" "$here/x.vbox"
    ;;
registervm) echo "${mute%?}" >"$here/mute" ;;
esac
"#;

    #[test]
    fn a_machine_that_virtualbox_lost_hold_of_is_taken_in_again() {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
        put("VBoxManage", MANAGE);
        put("inaccessible", include_str!("samples/7.2.22-showvminfo-inaccessible.err"));
        fs::set_permissions(dir.path().join("VBoxManage"), PermissionsExt::from_mode(0o755)).unwrap();
        let program = Program::at(dir.path().join("VBoxManage"));
        let machine = machine_in(&dir.path().join("web1"));
        let failure = || program.manage().call(["showvminfo", machine.id.as_str()]).unwrap().unwrap_err();
        put("mute", "x\n");
        // Half made: it is VirtualBox's word that counts.
        let error = take_in_again(program.manage(), &machine, failure()).unwrap_err();
        assert!(error.message().contains("limited"), "{error}");
        let home = machine.dir.join("virtualbox/lab/demo-web1");
        fs::create_dir_all(&home).unwrap();
        let settings = format!("<VirtualBox><Machine uuid=\"{{{}}}\"/></VirtualBox>", machine.id);
        fs::write(home.join("demo-web1.vbox"), settings).unwrap();
        fs::write(Files::of(&machine).given(), "{}").unwrap();
        for times in ["x\n", "xx\n"] {
            put("mute", times);
            put("calls", "");
            take_in_again(program.manage(), &machine, failure()).unwrap();
            let calls = fs::read_to_string(dir.path().join("calls")).unwrap();
            assert_eq!(calls.matches("unregistervm").count(), times.len() - 1, "{calls}");
            assert_eq!(calls.matches("showvminfo").count(), times.len(), "{calls}");
        }
        put("mute", "xxxxxx\n");
        let error = take_in_again(program.manage(), &machine, failure()).unwrap_err();
        assert_eq!(error.kind(), Kind::StateDamaged);
        assert!(settings_id(&home.join("demo-web1.vbox")).is_some(), "nothing of it is removed");
    }
}
