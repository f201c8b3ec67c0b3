//! Copies the attributes of a file to the file that replaces it: owner, group, mode and, on Linux, extended attributes.

use std::fs::{File, Metadata};
use std::io;
use std::path::Path;

use jobplate_diagnostic::{Error, Result, describe_io_error};

/// Fails if a file cannot be replaced by another one, as far as its metadata show.
///
/// # Errors
///
/// Fails for a directory, a pipe or a device, and for a file that is read-only or has several hard links.
pub(super) fn check_replaceable(metadata: &Metadata) -> Result<()> {
    if !metadata.is_file() {
        return Err(Error::input("not a regular file").hint("pass another file"));
    }
    if metadata.permissions().readonly() {
        return Err(Error::input("is not writable").hint("change its mode, or print to standard output"));
    }
    match hard_links(metadata) {
        0 | 1 => Ok(()),
        // The other names would keep the old content, and writing to the file in place is not atomic.
        count => Err(Error::input(format!("has {count} hard links, and replacing the file would separate them"))
            .hint("print the result and write it to the file with `cat`, or replace the file with a copy first")),
    }
}

/// Returns whether two metadata are those of one file, under the same or different names.
#[cfg(unix)]
pub(super) fn is_same_file(one: &Metadata, other: &Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    one.dev() == other.dev() && one.ino() == other.ino()
}

#[cfg(not(unix))]
pub(super) fn is_same_file(_one: &Metadata, _other: &Metadata) -> bool {
    false
}

/// Copies the attributes of the file at `path` to the new file. `metadata` is the metadata of the file at `path`.
///
/// # Errors
///
/// Fails if an attribute cannot be kept.
pub(super) fn copy_attributes(path: &Path, metadata: &Metadata, new: &File) -> Result<()> {
    copy_owner(metadata, new)?;
    #[cfg(target_os = "linux")]
    extended::copy_attributes(path, new)?;
    #[cfg(not(target_os = "linux"))]
    let _ = path;
    // Last: a change of the owner or of the access control list clears bits of the mode.
    new.set_permissions(metadata.permissions()).map_err(|error| keep_error("mode", &error))
}

fn keep_error(attribute: &str, error: &io::Error) -> Error {
    Error::input(format!("cannot keep its {attribute}: {}", describe_io_error(error)))
        .hint("print the result and write it to the file with `cat`")
}

#[cfg(unix)]
fn hard_links(metadata: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::nlink(metadata)
}

#[cfg(not(unix))]
fn hard_links(_metadata: &Metadata) -> u64 {
    1
}

#[cfg(unix)]
fn copy_owner(metadata: &Metadata, new: &File) -> Result<()> {
    use std::os::unix::fs::{MetadataExt, fchown};
    let new_metadata = new.metadata().map_err(|error| keep_error("owner", &error))?;
    let (uid, gid) = (metadata.uid(), metadata.gid());
    if new_metadata.uid() != uid {
        fchown(new, Some(uid), None).map_err(|error| keep_error(&format!("owner ({uid})"), &error))?;
    }
    if new_metadata.gid() != gid {
        fchown(new, None, Some(gid)).map_err(|error| keep_error(&format!("group ({gid})"), &error))?;
    }
    Ok(())
}

#[cfg(not(unix))]
fn copy_owner(_metadata: &Metadata, _new: &File) -> Result<()> {
    Ok(())
}

/// Extended attributes. An access control list is one of them.
#[cfg(target_os = "linux")]
mod extended {
    use std::collections::BTreeMap;
    use std::ffi::{CStr, CString};
    use std::fs::File;
    use std::os::fd::AsFd;
    use std::path::Path;

    use jobplate_diagnostic::Result;
    use rustix::fs::{XattrFlags, fgetxattr, flistxattr, fremovexattr, fsetxattr};
    use rustix::io::Errno;

    /// The largest list of names, and the largest value, that Linux has.
    const MAX_SIZE: usize = 64 * 1024;

    /// Attributes that describe the content of a file. Writing to a file removes them, too.
    const OF_CONTENT: [&CStr; 3] = [c"security.capability", c"security.evm", c"security.ima"];

    /// Makes the attributes of `new` those of the file at `path`.
    ///
    /// # Errors
    ///
    /// Fails if an attribute cannot be read, set or removed.
    pub(super) fn copy_attributes(path: &Path, new: &File) -> Result<()> {
        let fail = |name: &CStr, errno: Errno| {
            super::keep_error(&format!("extended attribute `{}`", name.to_string_lossy()), &errno.into())
        };
        let old = File::open(path).map_err(|error| super::keep_error("extended attributes", &error))?;
        let old = read_attributes(&old).map_err(|(name, errno)| fail(&name, errno))?;
        // A new file has attributes of its own: a label, and the default access control list of its directory.
        let mut own = read_attributes(new).map_err(|(name, errno)| fail(&name, errno))?;
        for (name, value) in &old {
            if own.remove(name).as_ref() != Some(value) {
                fsetxattr(new, name.as_c_str(), value, XattrFlags::empty()).map_err(|errno| fail(name, errno))?;
            }
        }
        own.keys().try_for_each(|name| fremovexattr(new, name.as_c_str()).map_err(|errno| fail(name, errno)))
    }

    /// Returns the values of a file's attributes by name, without those of its content.
    fn read_attributes(file: &File) -> Result<BTreeMap<CString, Vec<u8>>, (CString, Errno)> {
        let mut buffer = vec![0; MAX_SIZE];
        let length = match flistxattr(file.as_fd(), &mut buffer[..]) {
            Ok(length) => length,
            Err(Errno::NOTSUP | Errno::NOSYS) => 0,
            Err(errno) => return Err((CString::default(), errno)),
        };
        let names = buffer[..length].split_inclusive(|byte| *byte == 0);
        let names: Vec<CString> =
            names.filter_map(|name| CStr::from_bytes_with_nul(name).ok().map(CStr::to_owned)).collect();
        let mut attributes = BTreeMap::new();
        for name in names.into_iter().filter(|name| !OF_CONTENT.contains(&name.as_c_str())) {
            match fgetxattr(file.as_fd(), name.as_c_str(), &mut buffer[..]) {
                Ok(length) => drop(attributes.insert(name, buffer[..length].to_vec())),
                // Listed, but without a value.
                Err(Errno::NODATA | Errno::NOTSUP) => {}
                Err(errno) => return Err((name, errno)),
            }
        }
        Ok(attributes)
    }
}
