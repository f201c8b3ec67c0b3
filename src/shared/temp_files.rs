//! Temporary files with a name. They are removed when they are dropped, and when a signal ends the process.
//!
//! Files that are spooled (`SpooledTempFile`) have no name, so nothing must remove them.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tempfile::TempPath;

/// The temporary files of the process, by number. A signal handler can't reach the values that own them.
static FILES: Mutex<BTreeMap<u64, TempPath>> = Mutex::new(BTreeMap::new());
static NEXT_NUMBER: AtomicU64 = AtomicU64::new(0);
/// Locked while files are replaced: a signal must not end the process between two of them.
static REPLACING: Mutex<()> = Mutex::new(());
/// Whether signals cancel a run in a cluster, which then ends on its own.
static INTERRUPTS_ARE_HANDLED: AtomicBool = AtomicBool::new(false);

/// A temporary file. Dropping it removes the file.
pub(super) struct TempFile {
    /// The key of its path in [`FILES`].
    number: u64,
}

impl TempFile {
    /// Calls `make`, which creates a file, and takes the ownership of the file's name.
    ///
    /// # Errors
    ///
    /// Fails if `make` fails.
    pub(super) fn create<T>(make: impl FnOnce() -> io::Result<(T, TempPath)>) -> io::Result<(T, Self)> {
        watch_signals();
        // Locked before the file exists, so that a signal in between does not miss it.
        let mut files = lock(&FILES);
        let (value, temp_path) = make()?;
        let number = NEXT_NUMBER.fetch_add(1, Ordering::Relaxed);
        files.insert(number, temp_path);
        Ok((value, TempFile { number }))
    }

    /// Moves the file to `target`, and replaces a file that exists there.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be renamed. The temporary file is removed.
    pub(super) fn rename_to(self, target: &Path) -> io::Result<()> {
        let path = lock(&FILES).remove(&self.number).ok_or(io::ErrorKind::NotFound)?;
        path.persist(target).map_err(|error| error.error)
    }

    /// Moves the file to `target`, and replaces a file that exists there.
    ///
    /// # Errors
    ///
    /// Fails with the path of the temporary file if it cannot be renamed. The file is then never removed.
    pub(super) fn rename_or_keep(self, target: &Path) -> Result<(), PathBuf> {
        let Some(path) = lock(&FILES).remove(&self.number) else { return Ok(()) };
        match std::fs::rename(&path, target) {
            // The path is now free.
            Ok(()) => drop(path.keep()),
            Err(_) => return Err(path.keep().unwrap_or_else(|error| error.path.to_path_buf())),
        }
        Ok(())
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        lock(&FILES).remove(&self.number);
    }
}

/// Delays the end of the process by a signal until the returned guard is dropped.
pub(super) fn delay_signals() -> MutexGuard<'static, ()> {
    lock(&REPLACING)
}

/// Leaves signals to the session in a cluster: it cancels the run and reports what it did.
#[cfg(feature = "cluster")]
pub(crate) fn leave_interrupts_to_session() {
    INTERRUPTS_ARE_HANDLED.store(true, Ordering::SeqCst);
}

/// Ends the process on signals again, after the session in a cluster has ended.
#[cfg(feature = "cluster")]
pub(crate) fn end_on_interrupts() {
    INTERRUPTS_ARE_HANDLED.store(false, Ordering::SeqCst);
}

/// Removes all temporary files before the process ends without dropping its values.
pub(crate) fn remove_all() {
    // A panic may have happened under the lock.
    if let Ok(mut files) = FILES.try_lock() {
        files.clear();
    }
}

fn lock<T>(mutex: &'static Mutex<T>) -> MutexGuard<'static, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts the thread that removes the temporary files when SIGHUP, SIGINT or SIGTERM ends the process. The process then
/// ends by that signal, as without a handler.
#[cfg(unix)]
fn watch_signals() {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

    static START: std::sync::Once = std::sync::Once::new();
    START.call_once(|| {
        // An ignored signal stays ignored, for `nohup` and for background jobs of a shell script.
        let watched = [SIGHUP, SIGINT, SIGTERM].into_iter().filter(|signal| !is_ignored(*signal));
        let Ok(mut signals) = signal_hook::iterator::Signals::new(watched) else { return };
        std::thread::spawn(move || {
            for signal in signals.forever() {
                if INTERRUPTS_ARE_HANDLED.load(Ordering::SeqCst) {
                    continue;
                }
                let _replacing = lock(&REPLACING);
                // Locked until the end of the process, so that no further file is created.
                let mut files = lock(&FILES);
                files.clear();
                let _ = signal_hook::low_level::emulate_default_handler(signal);
            }
        });
    });
}

#[cfg(not(unix))]
fn watch_signals() {}

/// Returns whether the process does not ignore SIGHUP, as it does with `nohup`.
#[cfg(feature = "cluster")]
pub(crate) fn accepts_hangup() -> bool {
    #[cfg(unix)]
    return !is_ignored(signal_hook::consts::SIGHUP);
    #[cfg(not(unix))]
    false
}

#[cfg(unix)]
fn is_ignored(signal: i32) -> bool {
    match ignored_signals() {
        Some(ignored) => ignored & 1 << (signal - 1) != 0,
        None => is_ignored_by_new_processes(signal),
    }
}

/// Returns the set of ignored signals, with bit N - 1 for signal N. Returns `None` on systems without /proc, such as
/// macOS.
#[cfg(unix)]
fn ignored_signals() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
    u64::from_str_radix(mask.trim(), 16).ok()
}

/// Returns whether a new process ignores a signal, which it inherits from this process: sends the signal to a shell and
/// checks whether the shell survives. `sigaction`, which returns this directly, needs unsafe code.
#[cfg(unix)]
fn is_ignored_by_new_processes(signal: i32) -> bool {
    use std::process::{Command, Stdio};
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("kill -{signal} $$")]);
    shell.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    shell.status().is_ok_and(|status| status.success())
}
