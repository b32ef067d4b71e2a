//! Key file: the epoch keys, one a line, `<number> <64 hexadecimal digits>`.
//!
//! It is replaced as a whole and read again when it has changed, so a process notices what another has rotated.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use uuid::Uuid;
use zeroize::Zeroizing;

use super::envelope::{Epoch, secret};

/// The epochs that a file holds.
pub(super) struct KeyFile {
    path: PathBuf,
    epochs: BTreeMap<i64, Epoch>,
    /// Which file these were read from.
    version: Option<Version>,
}

/// A file that is replaced is another one, also within one tick of the clock.
type Version = (u64, SystemTime);

fn version(path: &Path) -> io::Result<Version> {
    let file = fs::metadata(path)?;
    Ok((file.ino(), file.modified()?))
}

/// A key file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BadKeyFile {
    #[error("the key file {0} is missing, and there are keys that were wrapped with it: bring it back")]
    Missing(PathBuf),
    #[error("{0} is no key file: its line {1} is not `<number> <64 hexadecimal digits>`")]
    Malformed(PathBuf, usize),
    #[error("the key file {0} holds no epoch that this vault knows, or another vault's keys")]
    Another(PathBuf),
    #[error("the key file {0} cannot be used")]
    Io(PathBuf, #[source] io::Error),
}

impl KeyFile {
    /// Reads it; `None` if there is none.
    pub fn read(path: &Path) -> Result<Option<Self>, BadKeyFile> {
        let failed = |error| BadKeyFile::Io(path.to_owned(), error);
        // Before the text: what is replaced in between is read again.
        let version = version(path).ok();
        let text = match fs::read_to_string(path) {
            Ok(text) => Zeroizing::new(text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(error)),
        };
        let mut epochs = BTreeMap::new();
        for (line, number) in text.lines().zip(1..) {
            let epoch = epoch(line).ok_or_else(|| BadKeyFile::Malformed(path.to_owned(), number))?;
            epochs.insert(epoch.number, epoch);
        }
        Ok(Some(Self { path: path.to_owned(), epochs, version }))
    }

    /// Makes one with a first epoch, or reads the one that somebody else has just made.
    pub fn make(path: &Path) -> Result<Self, BadKeyFile> {
        let failed = |error| BadKeyFile::Io(path.to_owned(), error);
        let new = Self {
            path: path.to_owned(),
            epochs: BTreeMap::from([(1, Epoch { number: 1, secret: secret() })]),
            version: None,
        };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(failed)?;
        }
        let draft = new.draft().map_err(failed)?;
        // A link is made whole or not at all, and never over another.
        let linked = fs::hard_link(&draft, path);
        fs::remove_file(&draft).map_err(failed)?;
        match linked {
            Ok(()) => new.persist_folder().map_err(failed)?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(failed(error)),
        }
        Self::read(path)?.ok_or_else(|| BadKeyFile::Missing(path.to_owned()))
    }

    /// Writes these epochs and no others in its place.
    pub fn replace(&mut self, epochs: impl IntoIterator<Item = Epoch>) -> Result<(), BadKeyFile> {
        let failed = |error| BadKeyFile::Io(self.path.clone(), error);
        let mut new = Self {
            path: self.path.clone(),
            epochs: epochs.into_iter().map(|epoch| (epoch.number, epoch)).collect(),
            version: None,
        };
        let draft = new.draft().map_err(failed)?;
        fs::rename(&draft, &self.path).map_err(failed)?;
        new.persist_folder().map_err(failed)?;
        new.version = version(&self.path).ok();
        *self = new;
        Ok(())
    }

    /// Whether the file is another than the one that was read.
    pub fn is_stale(&self) -> bool {
        version(&self.path).ok() != self.version
    }

    pub fn get(&self, number: i64) -> Option<&Epoch> {
        self.epochs.get(&number)
    }

    pub fn newest(&self) -> Option<&Epoch> {
        self.epochs.values().next_back()
    }

    pub fn all(&self) -> impl Iterator<Item = &Epoch> {
        self.epochs.values()
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file's contents on the disk, under another name.
    fn draft(&self) -> io::Result<PathBuf> {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{}", Uuid::new_v4().simple()));
        let draft = PathBuf::from(name);
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        for Epoch { number, secret } in self.epochs.values() {
            let line = Zeroizing::new(format!("{number} {}\n", hex::encode(&secret[..])));
            file.write_all(line.as_bytes())?;
        }
        file.sync_all()?;
        Ok(draft)
    }

    fn persist_folder(&self) -> io::Result<()> {
        let folder = self.path.parent().filter(|folder| !folder.as_os_str().is_empty());
        File::open(folder.unwrap_or(Path::new("."))).and_then(|folder| folder.sync_all())
    }
}

fn epoch(line: &str) -> Option<Epoch> {
    let (number, digits) = line.split_once(' ')?;
    let mut secret = Zeroizing::new([0; 32]);
    hex::decode_to_slice(digits, &mut secret[..]).ok()?;
    Some(Epoch { number: number.parse().ok().filter(|&number| number > 0)?, secret })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn numbers(file: &KeyFile) -> Vec<i64> {
        file.all().map(|epoch| epoch.number).collect()
    }

    #[test]
    fn is_made_once_and_for_its_owner_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vault.keys");
        assert!(KeyFile::read(&path).unwrap().is_none());
        let made = KeyFile::make(&path).unwrap();
        let again = KeyFile::make(&path).unwrap();
        assert_eq!(numbers(&made), [1]);
        assert_eq!(made.newest().unwrap().secret, again.newest().unwrap().secret);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no draft is left");
    }

    #[test]
    fn holds_what_it_was_replaced_with_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vault.keys");
        let (mut file, reader) = (KeyFile::make(&path).unwrap(), KeyFile::make(&path).unwrap());
        let old = hex::encode(&file.newest().unwrap().secret[..]);
        assert!(!reader.is_stale());
        let new = Epoch { number: 2, secret: secret() };
        file.replace([new.clone()]).unwrap();
        assert!(!file.is_stale() && reader.is_stale());
        let read = KeyFile::read(&path).unwrap().unwrap();
        assert_eq!((numbers(&read), &read.get(2).unwrap().secret), (vec![2], &new.secret));
        assert!(!fs::read_to_string(&path).unwrap().contains(&old));
    }

    #[test]
    fn takes_no_other_form() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("vault.keys");
        for text in ["1", "1 00", &format!("0 {}", "0".repeat(64)), &format!("x {}", "0".repeat(64)), "\n"] {
            fs::write(&path, text).unwrap();
            assert!(matches!(KeyFile::read(&path), Err(BadKeyFile::Malformed(_, 1))), "{text}");
        }
    }
}
