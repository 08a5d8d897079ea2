//! The cache folder: keys are kept within a limit, those that were used least recently go, and can always be made again.

use std::path::Path;
use std::time::SystemTime;

/// Marks the keys whose file names begin with `used` as used now, and removes others, the least recently used first, until
/// all keys have at most `most` bytes. What cannot be read or removed stays.
pub(crate) fn tidy(folder: &Path, used: &str, most: u64) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let mut keys = Vec::new();
    let mut sum = 0;
    for entry in entries.flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        if path.extension().is_none_or(|e| e != "key") {
            continue;
        }
        let Ok(meta) = entry.metadata() else { continue };
        sum += meta.len();
        if name.to_string_lossy().starts_with(used) {
            mark(&path);
        } else {
            keys.push((meta.modified().unwrap_or(SystemTime::UNIX_EPOCH), meta.len(), path));
        }
    }
    keys.sort();
    for (_, bytes, path) in keys {
        if sum <= most {
            return;
        }
        if std::fs::remove_file(&path).is_ok() {
            tracing::info!(key = %path.display(), "removed from the full cache");
            sum -= bytes;
        }
    }
}

/// Marks a file as used now.
fn mark(file: &Path) {
    let opened = std::fs::File::options().append(true).open(file);
    let _ = opened.and_then(|file| file.set_modified(SystemTime::now()));
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_least_recently_used_keys_go() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let ago = |name: &str, seconds: u64| {
            std::fs::write(at(name), [0; 100]).unwrap();
            let file = std::fs::File::options().append(true).open(at(name)).unwrap();
            file.set_modified(SystemTime::now() - Duration::from_secs(seconds)).unwrap();
        };
        for (name, seconds) in [("a-1.key", 40), ("b-1.key", 30), ("c-1.key", 20), ("d-1.key", 10), ("x.srs", 99)] {
            ago(name, seconds);
        }
        tidy(folder.path(), "a-", 400);
        assert!(["a-1.key", "b-1.key", "c-1.key", "d-1.key"].iter().all(|k| at(k).exists()));
        tidy(folder.path(), "a-", 250);
        let left: Vec<bool> =
            ["a-1.key", "b-1.key", "c-1.key", "d-1.key", "x.srs"].iter().map(|k| at(k).exists()).collect();
        assert_eq!(left, [true, false, false, true, true]);
        // a was used before d, in the last call
        tidy(folder.path(), "e-", 100);
        assert_eq!((at("a-1.key").exists(), at("d-1.key").exists()), (true, false));
        // what is used now stays, even if it is too large alone
        tidy(folder.path(), "a-", 1);
        assert!(at("a-1.key").exists());
    }
}
