//! A client's files: errors name the file, and writes are atomic.

use std::ffi::OsString;
use std::io;
use std::path::Path;

use tribute_problem::{Problem, Reason, Result};

/// Writes a file atomically, creating its folder. A device or a pipe is written to as it is.
pub fn write_file(file: &Path, bytes: &[u8]) -> Result<()> {
    if is_device(file) {
        return std::fs::write(file, bytes).map_err(|e| unwritable(file, &e));
    }
    if let Some(folder) = folder(file) {
        std::fs::create_dir_all(folder).map_err(|e| unwritable(file, &e))?;
    }
    let aside = aside(file);
    std::fs::write(&aside, bytes).and_then(|()| std::fs::rename(&aside, file)).map_err(|e| {
        let _ = std::fs::remove_file(&aside);
        unwritable(file, &e)
    })
}

/// Checks beforehand that [`write_file`] can write there, as far as it can be known; leaves nothing behind.
///
/// # Errors
/// If the file is a folder, or the folder that it would be in cannot be written to or made.
pub fn check_writable(file: &Path) -> Result<()> {
    if is_device(file) {
        return Ok(());
    }
    if file.is_dir() {
        return Err(unwritable(file, &io::ErrorKind::IsADirectory.into()));
    }
    let here = Path::new(".");
    let folder = folder(file).unwrap_or(here);
    let tried = match folder.exists() {
        true => aside(file),
        // it is made in the nearest that is there
        false => aside(&folder.ancestors().find(|above| above.exists()).unwrap_or(here).join("file")),
    };
    let tried = Path::new(&tried);
    std::fs::write(tried, []).and_then(|()| std::fs::remove_file(tried)).map_err(|e| unwritable(file, &e))
}

/// Whether a file is no regular one. What a process has open is none, whatever it leads to.
fn is_device(file: &Path) -> bool {
    let open = ["/dev/stdout", "/dev/stderr", "/dev/fd", "/proc"].iter().any(|name| file.starts_with(name));
    open || file.metadata().is_ok_and(|m| !m.is_file() && !m.is_dir())
}

fn folder(file: &Path) -> Option<&Path> {
    file.parent().filter(|folder| !folder.as_os_str().is_empty())
}

/// The name under which a file is written before it gets its own.
fn aside(file: &Path) -> OsString {
    let mut aside = file.as_os_str().to_owned();
    aside.push(format!(".new-{}", std::process::id()));
    aside
}

fn unwritable(file: &Path, error: &io::Error) -> Problem {
    Problem::new(Reason::StorageFailed, format!("cannot write {}: {error}", file.display()))
}

/// Reads a file; the error names it.
pub fn read_file(file: &Path) -> Result<Vec<u8>> {
    read_given("file", file)
}

/// Reads the file that is given for an option; the error names both.
pub fn read_given(option: &str, file: &Path) -> Result<Vec<u8>> {
    std::fs::read(file).map_err(|e| Problem::field(option, format!("cannot read {}: {e}", file.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_written_is_known_beforehand() {
        let place = std::env::temp_dir().join(format!("tribute-files-{}", std::process::id()));
        std::fs::create_dir_all(&place).unwrap();
        let file = place.join("a file");
        std::fs::write(&file, "kept").unwrap();
        for good in ["new", "a file", "new/folder/new"] {
            check_writable(&place.join(good)).unwrap();
        }
        let left: Vec<_> = std::fs::read_dir(&place).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["a file"], "nothing is made");
        assert_eq!(std::fs::read(&file).unwrap(), b"kept");
        for bad in [place.clone(), place.join("new/"), place.join(".."), file.join("in a file"), file.join("in/a/file")]
        {
            let problem = check_writable(&bad).unwrap_err();
            assert!(problem.message.starts_with(&format!("cannot write {}: ", bad.display())), "{problem}");
            assert!(write_file(&bad, b"x").is_err(), "{}", bad.display());
        }
        write_file(&place.join("new/folder/new"), b"x").unwrap();
        std::fs::remove_dir_all(&place).unwrap();
    }

    /// What is no regular file stays what it is, and a full disk is no advice to do the same again: what the file tells of may
    /// have been done.
    #[cfg(unix)]
    #[test]
    fn a_device_is_written_to_as_it_is() {
        use std::os::unix::fs::FileTypeExt as _;
        let socket = std::env::temp_dir().join(format!("tribute-socket-{}", std::process::id()));
        let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        check_writable(&socket).unwrap();
        assert!(write_file(&socket, b"x").is_err(), "nothing can open it");
        assert!(socket.metadata().unwrap().file_type().is_socket());
        std::fs::remove_file(&socket).unwrap();
        assert!(is_device(Path::new("/dev/stdout")) && !is_device(Path::new("/dev/shm/file")));
        let full = unwritable(Path::new("f"), &io::Error::other("No space left on device"));
        assert_eq!(full.message, "cannot write f: No space left on device");
    }
}
