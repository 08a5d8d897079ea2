//! The allowlist of accounts.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use tribute_core::hexed::AccountAddress;
use tribute_problem::{Problem, Reason, Result};

/// How often the list's file is checked for changes.
const LOOK: Duration = Duration::from_secs(1);

/// The accounts allowed to call: all, or those on a list.
#[derive(Clone, Debug)]
pub struct Accounts(Option<Arc<Mutex<List>>>);

#[derive(Debug)]
struct List {
    file: PathBuf,
    changed: Option<SystemTime>,
    looked: Instant,
    listed: HashSet<AccountAddress>,
}

impl Accounts {
    /// Admits every account.
    #[must_use]
    pub fn all() -> Self {
        Accounts(None)
    }

    /// Admits the accounts listed in a file, one per line; `#` starts a comment. Changes to the file take effect within
    /// a second.
    ///
    /// # Errors
    /// If the file cannot be read, or a line is not an account.
    pub fn listed(file: &Path) -> Result<Self> {
        let list = List { file: file.into(), changed: modified(file), looked: Instant::now(), listed: read(file)? };
        Ok(Accounts(Some(Arc::new(Mutex::new(list)))))
    }

    /// Refuses an account that is not listed.
    ///
    /// # Errors
    /// [`Reason::NotAllowed`].
    pub fn admit(&self, account: AccountAddress) -> Result<()> {
        let Some(list) = &self.0 else { return Ok(()) };
        let mut list = list.lock().unwrap_or_else(PoisonError::into_inner);
        list.look();
        if list.listed.contains(&account) {
            return Ok(());
        }
        Err(Problem::new(
            Reason::NotAllowed,
            format!("{account} is not among the accounts that this server serves: ask its operator"),
        )
        .with("account", account))
    }
}

impl List {
    fn look(&mut self) {
        if self.looked.elapsed() < LOOK {
            return;
        }
        self.looked = Instant::now();
        let changed = modified(&self.file);
        if changed == self.changed {
            return;
        }
        match read(&self.file) {
            Ok(listed) => (self.listed, self.changed) = (listed, changed),
            Err(e) => tracing::error!(error = %e, "the list of accounts stays as it was"),
        }
    }
}

fn modified(file: &Path) -> Option<SystemTime> {
    std::fs::metadata(file).and_then(|m| m.modified()).ok()
}

fn read(file: &Path) -> Result<HashSet<AccountAddress>> {
    let text = std::fs::read_to_string(file)
        .map_err(|e| Problem::field("accounts", format!("cannot read {}: {e}", file.display())))?;
    let lines = text.lines().zip(1..).map(|(line, number)| (line.split('#').next().unwrap_or("").trim(), number));
    lines
        .filter(|(line, _)| !line.is_empty())
        .map(|(line, number)| {
            let account = line.parse::<AccountAddress>();
            account.map_err(|e| Problem::field("accounts", format!("{}, line {number}: {e}", file.display())))
        })
        .collect()
}
