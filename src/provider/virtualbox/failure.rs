//! What VBoxManage's errors say, and what they mean for a person.

use std::process::ExitStatus;

use super::manage::Answer;
use crate::error::{Error, Kind};
use crate::process::describe;

/// How a line of an error begins, here and on Windows.
const MARKS: [&str; 2] = ["VBoxManage: error: ", "VBoxManage.exe: error: "];

/// A call that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    /// The call, as one could type it.
    call: String,
    /// `VBOX_E_OBJECT_NOT_FOUND`, where it says one.
    code: Option<String>,
    /// The first line of the error, or what else was said.
    message: String,
    /// All that was said of the error.
    words: String,
    /// How it ended.
    status: String,
}

impl Failure {
    /// The failure of a call that ended so, if it is one: some calls end with 0 all the same.
    pub(super) fn of(call: &str, status: ExitStatus, answer: &Answer) -> Option<Failure> {
        // Progress has no line end, so that an error may follow on the same line.
        let errors: Vec<&str> = answer
            .err
            .lines()
            .filter_map(|line| MARKS.iter().find_map(|mark| Some(line.split_once(mark)?.1)))
            .collect();
        if status.success() && errors.is_empty() {
            return None;
        }
        let said = [&answer.err, &answer.out].into_iter().find(|text| !text.trim().is_empty());
        let words = if errors.is_empty() {
            said.map(|said| said.trim().to_owned()).unwrap_or_default()
        } else {
            errors.join("\n")
        };
        let code = errors
            .iter()
            .find_map(|line| line.split_once("Details: code ")?.1.split([' ', ',']).next())
            .map(str::to_owned);
        let message = words.lines().next().unwrap_or_default().trim().to_owned();
        Some(Failure { call: call.to_owned(), code, message, words, status: describe(status) })
    }

    /// Whether it is one that passes by itself: somebody else is just opening or closing the machine, or VirtualBox's
    /// server is just starting or ending.
    pub(super) fn passes(&self) -> bool {
        let texts = [
            "or being locked or unlocked",
            "or being unlocked",
            "has a lock request pending",
            "while it is locked",
            "The object is not ready",
            "Failed to create the VirtualBox object",
            "NS_ERROR_CALL_FAILED",
            // `list hdds`, when a disk goes out of the list while it is looked at.
            "RefreshState(",
        ];
        texts.iter().any(|text| self.says(text))
    }

    /// Whether it says that there is no such machine, medium or snapshot.
    pub(super) fn is_not_found(&self) -> bool {
        self.code.as_deref() == Some("VBOX_E_OBJECT_NOT_FOUND")
    }

    /// Whether it says that the machine does not run.
    pub(super) fn is_not_running(&self) -> bool {
        self.says("is not currently running")
    }

    /// Whether the machine is known, and its settings file cannot be read.
    pub(super) fn is_inaccessible(&self) -> bool {
        self.says("The object functionality is limited")
    }

    /// Whether a part of what it says is `text`.
    pub(super) fn says(&self, text: &str) -> bool {
        self.words.contains(text)
    }

    /// Its first line.
    pub(super) fn message(&self) -> &str {
        self.message.trim_end_matches('.')
    }

    /// All that it says.
    pub(super) fn words(&self) -> &str {
        &self.words
    }

    /// What is known of some of VirtualBox's messages.
    fn explain(&self) -> Option<Error> {
        let failed = |text: &str| Error::new(Kind::StartFailed, text);
        let any = |texts: &[&str]| texts.iter().any(|text| self.says(text));
        if any(&["VERR_VMX_IN_VMX_ROOT_MODE", "VERR_SVM_IN_USE", "VERR_NEM_VM_CREATE_FAILED"]) {
            return Some(
                failed("another hypervisor holds the processor's virtualisation")
                    .hint("close other virtual machines (KVM, VMware, Hyper-V, an Android emulator), then run the command again")
                    .hint("Linux, where nothing else runs: sudo modprobe -r kvm_intel kvm_amd"),
            );
        }
        if any(&[
            "VERR_VMX_MSR_ALL_VMX_DISABLED",
            "VERR_VMX_MSR_VMX_DISABLED",
            "VERR_VMX_MSR_VMXON_DISABLED",
            "VERR_VMX_NO_VMX",
            "VERR_SVM_DISABLED",
            "VERR_SVM_NO_SVM",
        ]) {
            return Some(
                failed("the processor's virtualisation (VT-x, AMD-V) is off")
                    .hint("switch it on in the computer's firmware (BIOS, UEFI): \"Intel Virtualization Technology\", \"SVM\"")
                    .hint("without it, QEMU works, slowly: `lab up --provider qemu`"),
            );
        }
        if any(&[
            "VERR_VM_DRIVER_NOT_INSTALLED",
            "VERR_VM_DRIVER_LOAD_ERROR",
            "VERR_VM_DRIVER_NOT_ACCESSIBLE",
            "rc=-1908",
            "rc=-1909",
        ]) {
            return Some(
                failed("VirtualBox's kernel module is not loaded")
                    .hint("Debian, Ubuntu: sudo apt-get install virtualbox-dkms linux-headers-$(uname -r); others: sudo /sbin/vboxconfig")
                    .hint("with Secure Boot on, the module has to be signed: https://www.virtualbox.org/wiki/Linux_Downloads")
                    .hint("macOS: allow Oracle's extension in System Settings, Privacy & Security"),
            );
        }
        if any(&["VERR_VM_DRIVER_VERSION_MISMATCH", "VERR_SUPDRV_VERSION_MISMATCH", "rc=-1912"]) {
            return Some(
                failed("VirtualBox's kernel module is of another version than VirtualBox")
                    .hint("restart this computer, or reload the module: sudo /sbin/vboxconfig"),
            );
        }
        if any(&[
            "Cannot run the machine because its platform architecture",
            "VBOX_E_PLATFORM_ARCH_NOT_SUPPORTED",
        ]) {
            return Some(
                Error::new(Kind::NoProvider, "VirtualBox cannot run this box's processor on this computer")
                    .hint("use QEMU: `lab up --provider qemu`"),
            );
        }
        if any(&["VERR_DISK_FULL", "No space left on device", "not enough space", "VERR_VD_FULL"]) {
            return Some(
                Error::new(Kind::DiskFull, "the disk of this computer is full")
                    .hint("free some space, then run the same command again"),
            );
        }
        if any(&["VERR_NO_MEMORY", "VERR_NO_PHYS_MEMORY", "VERR_NO_LOW_MEMORY", "NS_ERROR_OUT_OF_MEMORY"]) {
            return Some(
                failed("this computer has not enough free memory")
                    .hint("close other programs, or give the machine less memory in the Labfile"),
            );
        }
        if any(&["xtension pack", "Extension Pack", "xtension Pack"]) {
            return Some(
                failed("its settings need VirtualBox's extension pack, which is not installed")
                    .hint("take the setting out of `customize`, or install the pack: https://www.virtualbox.org/wiki/Downloads"),
            );
        }
        if any(&[
            "The IP address configured for the host-only interface",
            "outside of the allowed ranges",
            "is not within the allowed ranges",
        ]) {
            return Some(
                Error::new(Kind::WrongState, "VirtualBox does not allow this range for host-only networks")
                    .hint("take one within 192.168.56.0/21, or allow it in /etc/vbox/networks.conf"),
            );
        }
        if any(&["Failed to create the VirtualBox object", "NS_ERROR_SOCKET_FAIL", "NS_ERROR_CALL_FAILED"]) {
            // A folder of another user is left by a VirtualBox that ran under `sudo`; seen with 7.2.
            return Some(
                Error::new(Kind::ProgramFailed, "VirtualBox's server does not answer")
                    .hint("close VirtualBox and all its machines, then run the command again")
                    .hint("where that does not help, remove what it left: sudo rm -r /tmp/.vbox-$USER-ipc"),
            );
        }
        if self.passes() {
            return Some(
                Error::new(Kind::WrongState, "another program has the machine open")
                    .hint("close its window in VirtualBox, wait for other VBoxManage calls to end, then run the command again"),
            );
        }
        if any(&["is already locked", "is already registered", "while the VM is running"]) {
            return None;
        }
        if any(&["Nonexistent host networking interface", "VERR_INTNET_FLT_IF_NOT_FOUND"]) {
            return Some(
                failed("its host-only adapter is gone")
                    .hint("`lab halt --force` and `lab up` give it another one"),
            );
        }
        if any(&["Unknown option", "Invalid parameter", "Invalid argument", "Invalid command"]) {
            return Some(
                Error::new(Kind::ProgramFailed, "VBoxManage does not know one of its arguments")
                    .hint("check `customize` in [machine.NAME.virtualbox]"),
            );
        }
        None
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        let known = failure.explain();
        let error = known.unwrap_or_else(|| {
            let said = failure.message.trim_end_matches('.');
            let message = if said.is_empty() {
                format!("VBoxManage failed ({})", failure.status)
            } else {
                format!("VBoxManage failed: {said}")
            };
            Error::new(Kind::ProgramFailed, message)
        });
        let error = error.detail(format!("command: {}", failure.call));
        if failure.words.is_empty() { error } else { error.detail(failure.words) }
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::*;

    fn failure(code: i32, err: &str) -> Option<Failure> {
        let answer = Answer { out: String::new(), err: err.to_owned() };
        Failure::of("VBoxManage x", ExitStatus::from_raw(code << 8), &answer)
    }

    #[test]
    fn an_error_is_one_whatever_the_exit_status() {
        // Each as VirtualBox 7.2.22 printed it.
        assert_eq!(failure(0, ""), None);
        assert_eq!(failure(0, "VBoxManage: warning: Interface \"vboxnet0\" doesn't seem to exist\n"), None);
        assert_eq!(failure(0, "0%...10%...20%...30%...100%\n"), None);
        let glued = failure(0, "0%...VBoxManage: error: Something\n").unwrap();
        assert_eq!(glued.message, "Something");
        let missing = failure(1, include_str!("samples/7.2.22-showvminfo-missing.err")).unwrap();
        assert!(missing.is_not_found() && !missing.passes());
        assert_eq!(
            missing.message,
            "Could not find a registered machine with UUID {33333333-2222-4222-8222-222222222222}"
        );
        let broken = failure(1, include_str!("samples/7.2.22-showvminfo-inaccessible.err")).unwrap();
        assert!(broken.is_inaccessible());
        let off = failure(1, "VBoxManage: error: Machine 'e1' is not currently running.\n").unwrap();
        assert!(off.is_not_running());
        assert_eq!(off.code, None);
    }

    #[test]
    fn what_passes_is_tried_again_and_what_does_not_is_not() {
        let passing = [
            "The machine 'e1' is already locked by a session (or being locked or unlocked)",
            "The machine 'e1' is already locked for a session (or being unlocked)",
            "The machine 'e1' already has a lock request pending",
            "Cannot unregister the machine 'e1' while it is locked",
            "The object is not ready",
            "Failed to create the VirtualBox object!",
            "Code NS_ERROR_FAILURE (0x80004005) - Operation failed (extended info not available)\n\
             VBoxManage: error: Context: \"RefreshState(&enmState)\" at line 1422 of file VBoxManageDisk.cpp",
        ];
        for text in passing {
            assert!(failure(1, &format!("VBoxManage: error: {text}\n")).unwrap().passes(), "{text}");
        }
        assert!(!failure(1, "VBoxManage: error: Unknown option: --x\n").unwrap().passes());
    }

    #[test]
    fn a_person_is_told_what_it_means() {
        // From documentation and public reports, for VirtualBox 6.1 to 7.1; not seen here.
        let cases = [
            (
                "VT-x is being used by another hypervisor (VERR_VMX_IN_VMX_ROOT_MODE).",
                Kind::StartFailed,
                "another hypervisor holds the processor's virtualisation",
            ),
            (
                "VT-x is disabled in the BIOS for all CPU modes (VERR_VMX_MSR_ALL_VMX_DISABLED)",
                Kind::StartFailed,
                "the processor's virtualisation (VT-x, AMD-V) is off",
            ),
            (
                "The virtual machine 'web1' has terminated unexpectedly during startup with exit code 1 (0x1): rc=-1908",
                Kind::StartFailed,
                "VirtualBox's kernel module is not loaded",
            ),
            (
                "Could not create the medium storage unit '/x.vdi'. VDI: cannot create image (VERR_DISK_FULL)",
                Kind::DiskFull,
                "the disk of this computer is full",
            ),
            (
                "Implementation of the USB 2.0 controller not found! Because the USB 2.0 controller state is part of the saved VM state, the VM cannot be started. To fix this problem, either install the 'Oracle VM VirtualBox Extension Pack' or disable USB 2.0",
                Kind::StartFailed,
                "its settings need VirtualBox's extension pack, which is not installed",
            ),
            (
                "Failed to create the VirtualBox object!\nVBoxManage: error: Code NS_ERROR_SOCKET_FAIL (0xC1F30200) - IPC daemon socket error",
                Kind::ProgramFailed,
                "VirtualBox's server does not answer",
            ),
            ("Something new", Kind::ProgramFailed, "VBoxManage failed: Something new"),
        ];
        for (text, kind, message) in cases {
            let error = Error::from(failure(1, &format!("VBoxManage: error: {text}\n")).unwrap());
            assert_eq!((error.kind(), error.message()), (kind, message));
            assert_eq!(error.details()[0], "command: VBoxManage x");
        }
    }
}
