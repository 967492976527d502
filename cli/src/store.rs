//! The token file: one session for each server, readable by its owner only.
//!
//! It is replaced whole, so that a reader never sees half of it. Two programs that save at the
//! same moment take turns by a lock beside it.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use medusa_client::{Session, TokenStore};

type Sessions = BTreeMap<String, Session>;

/// The session of one server in the file.
#[derive(Debug)]
pub(crate) struct Tokens {
    file: PathBuf,
    server: String,
}

impl Tokens {
    pub(crate) fn new(file: PathBuf, server: &str) -> Self {
        Self { file, server: server.trim_end_matches('/').to_owned() }
    }

    /// Where the file is.
    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    /// Keeps a session for this server.
    pub(crate) fn put(&self, session: Session) -> io::Result<()> {
        self.change(|sessions| {
            sessions.insert(self.server.clone(), session);
        })
    }

    /// Forgets the session for this server; true if there was one.
    pub(crate) fn remove(&self) -> io::Result<bool> {
        let mut found = false;
        self.change(|sessions| found = sessions.remove(&self.server).is_some())?;
        Ok(found)
    }

    fn read(&self) -> io::Result<Sessions> {
        match fs::read(&self.file) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(io::Error::from),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Sessions::new()),
            Err(error) => Err(error),
        }
    }

    fn change(&self, change: impl FnOnce(&mut Sessions)) -> io::Result<()> {
        if let Some(folder) = self.file.parent() {
            fs::create_dir_all(folder)?;
        }
        let lock = private(&self.file.with_extension("lock"))?;
        lock.lock()?;
        let mut sessions = self.read()?;
        change(&mut sessions);
        let new = self.file.with_extension("new");
        let mut file = private(&new)?;
        file.set_len(0)?;
        file.write_all(&serde_json::to_vec_pretty(&sessions)?)?;
        file.sync_all()?;
        fs::rename(&new, &self.file)
    }
}

/// Opens or makes a file that only its owner can read.
fn private(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).write(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

impl TokenStore for Tokens {
    fn load(&self) -> Option<Session> {
        self.read().ok()?.remove(&self.server)
    }

    fn save(&self, session: &Session) {
        // The session still works for this run, and the next run asks for a login.
        drop(self.put(session.clone()));
    }

    fn turn(&self) -> Box<dyn Send> {
        // Without a lock the worst is a login that has to be repeated.
        let lock = private(&self.file.with_extension("turn"));
        Box::new(lock.and_then(|file| file.lock().map(|()| file)).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(token: &str) -> Session {
        Session { access_token: token.into(), refresh_token: None, expires_at: None }
    }

    #[test]
    fn each_server_has_its_own_session_and_nobody_else_reads_it() {
        let folder = std::env::temp_dir().join(medusa_client::operation_id().to_string());
        let file = folder.join("medusa/tokens.json");
        let one = Tokens::new(file.clone(), "http://one/");
        let two = Tokens::new(file.clone(), "http://two");
        assert_eq!(one.load(), None);
        one.put(session("1")).unwrap();
        two.put(session("2")).unwrap();
        assert_eq!(Tokens::new(file.clone(), "http://one").load(), Some(session("1")));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert!(one.remove().unwrap());
        assert!(!one.remove().unwrap());
        assert_eq!((one.load(), two.load()), (None, Some(session("2"))));
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_broken_file_is_not_overwritten() {
        let folder = std::env::temp_dir().join(medusa_client::operation_id().to_string());
        fs::create_dir_all(&folder).unwrap();
        let tokens = Tokens::new(folder.join("tokens.json"), "http://one");
        fs::write(tokens.file(), "{").unwrap();
        assert!(tokens.put(session("1")).is_err());
        assert_eq!(fs::read_to_string(tokens.file()).unwrap(), "{");
        fs::remove_dir_all(folder).unwrap();
    }
}
