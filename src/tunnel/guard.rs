//! How `ssh` is bound to the life of whoever started it, without unsafe code and without a process in between.
//!
//! The tunnel starts this program itself once more. The copy asks the kernel for a signal at the death of its parent,
//! looks whether the parent is already gone, and then becomes `ssh`, which keeps the wish. So a parent that is killed
//! outright leaves nothing behind.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

/// The hidden verb under which the copy is started.
pub(super) const VERB: &str = "run-guarded";
/// As a shell has it: no such program.
pub(super) const NOT_FOUND: i32 = 127;

/// The copy, up to where its own arguments begin.
pub(super) fn command() -> io::Result<std::process::Command> {
    // The file may have been replaced by an update; what runs is what is wanted.
    let running = PathBuf::from("/proc/self/exe");
    let program = if running.exists() { running } else { std::env::current_exe()? };
    let mut command = Command::new(program);
    command.arg(VERB).arg(std::process::id().to_string()).arg("--");
    Ok(command)
}

/// Becomes the program, bound to the life of `parent`. Returns only where that is not possible, with an exit code.
#[must_use]
pub fn run_guarded(parent: u32, program: &[OsString]) -> u8 {
    let Some((name, arguments)) = program.split_first() else { return 2 };
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM)) {
        eprintln!("the kernel does not watch the parent: {error}");
        return 1;
    }
    let lives = rustix::process::getppid().is_some_and(|now| u32::try_from(now.as_raw_nonzero().get()) == Ok(parent));
    if !lives {
        // It was faster.
        return 1;
    }
    let error = Command::new(name).args(arguments).exec();
    eprintln!("{}: {error}", name.display());
    if error.kind() == io::ErrorKind::NotFound { 127 } else { 126 }
}
