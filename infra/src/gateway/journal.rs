//! Journal: lines of JSON that are on disk before anyone is told of them.
//!
//! Lines that arrive while the disk is busy share the next sync. A last line that was torn by a kill is cut off when
//! the journal is opened; a bad line anywhere else is an error.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::Path;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::watch;

/// An append-only file of which nothing that was said to be durable is ever lost.
#[derive(Debug)]
pub struct Journal {
    lines: Option<mpsc::Sender<Vec<u8>>>,
    written: u64,
    durable: watch::Receiver<u64>,
    writer: Option<JoinHandle<()>>,
}

/// Tells when a line is on disk.
#[derive(Debug, Clone)]
pub struct Durability(watch::Receiver<u64>);

impl Durability {
    /// Waits until that line and all before it are on disk.
    ///
    /// # Errors
    /// If the file cannot be written any more.
    pub async fn of(&self, line: u64) -> io::Result<()> {
        let reached = self.0.clone().wait_for(|durable| *durable >= line).await.map(|_| ());
        reached.map_err(|_| io::Error::other("the journal cannot be written"))
    }
}

impl Journal {
    /// Opens or makes the file, which one process at a time may have, and reads what it holds.
    ///
    /// # Errors
    /// If it cannot be read, belongs to another process, or holds a bad line before its last.
    pub fn open<E: DeserializeOwned>(path: &Path) -> io::Result<(Vec<E>, Self)> {
        let mut file = File::options().read(true).write(true).create(true).truncate(false).open(path)?;
        file.try_lock().map_err(|e| io::Error::other(format!("another gateway has this book open: {e}")))?;
        let (entries, end) = read(&file)?;
        file.set_len(end)?;
        file.seek(SeekFrom::Start(end))?;
        file.sync_all()?;

        let (lines, received) = mpsc::channel();
        let (tell, durable) = watch::channel(0);
        let writer = thread::Builder::new()
            .name("gateway-journal".into())
            .spawn(move || write_all(&mut file, &received, &tell))?;
        Ok((entries, Self { lines: Some(lines), written: 0, durable, writer: Some(writer) }))
    }

    /// Hands a line to the disk; it is there once [`Durability::of`] its number says so.
    pub fn append(&mut self, entry: &impl Serialize) -> u64 {
        let mut line = serde_json::to_vec(entry).expect("an entry is JSON");
        line.push(b'\n');
        self.written += 1;
        if let Some(lines) = &self.lines
            && lines.send(line).is_err()
        {
            // The writer has ended on an error and said so: whoever waits for this line learns it there.
            tracing::debug!(line = self.written, "line {} came after the journal's end", self.written);
        }
        self.written
    }

    #[must_use]
    pub fn durability(&self) -> Durability {
        Durability(self.durable.clone())
    }
}

/// Waits for what is written, so that the file can be opened again at once.
impl Drop for Journal {
    fn drop(&mut self) {
        drop(self.lines.take());
        if self.writer.take().is_some_and(|writer| writer.join().is_err()) {
            tracing::error!("the journal's writer panicked");
        }
    }
}

fn read<E: DeserializeOwned>(file: &File) -> io::Result<(Vec<E>, u64)> {
    let (mut reader, mut entries, mut end, mut line) = (BufReader::new(file), Vec::new(), 0u64, Vec::new());
    loop {
        line.clear();
        let length = reader.read_until(b'\n', &mut line)?;
        if length == 0 || line.last() != Some(&b'\n') {
            return Ok((entries, end));
        }
        match serde_json::from_slice(&line) {
            Ok(entry) => entries.push(entry),
            // Blocks of a torn write may reach the disk out of order: a bad last line is torn too.
            Err(_) if reader.fill_buf()?.is_empty() => return Ok((entries, end)),
            Err(e) => {
                let place = entries.len() + 1;
                return Err(io::Error::new(io::ErrorKind::InvalidData, format!("line {place}: {e}")));
            }
        }
        end += length as u64;
    }
}

fn write_all(file: &mut File, lines: &mpsc::Receiver<Vec<u8>>, tell: &watch::Sender<u64>) {
    let mut count = 0;
    while let Ok(mut batch) = lines.recv() {
        count += 1;
        for line in lines.try_iter() {
            batch.extend(line);
            count += 1;
        }
        if let Err(error) = file.write_all(&batch).and_then(|()| file.sync_data()) {
            tracing::error!(%error, "the gateway's book cannot be written: {error}");
            return;
        }
        tell.send_replace(count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reopen(path: &Path) -> (Vec<u32>, Journal) {
        Journal::open(path).unwrap()
    }

    #[tokio::test]
    async fn holds_what_it_said_it_holds() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("book");
        let (before, mut journal) = reopen(&path);
        assert!(before.is_empty());
        for number in 1..=100u32 {
            let line = journal.append(&number);
            journal.durability().of(line).await.unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), number as usize);
        }
        drop(journal);
        assert_eq!(reopen(&path).0, (1..=100).collect::<Vec<u32>>());
    }

    #[tokio::test]
    async fn cuts_off_a_torn_last_line_and_goes_on() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("book");
        for torn in ["1\n2\n3", "1\n2\n{\"x\n", "1\n2\n\0\0\0\n", "1\n2\n\0"] {
            std::fs::write(&path, torn).unwrap();
            let (entries, mut journal) = reopen(&path);
            assert_eq!(entries, [1, 2], "{torn:?}");
            let line = journal.append(&4);
            journal.durability().of(line).await.unwrap();
            drop(journal);
            assert_eq!(reopen(&path).0, [1, 2, 4], "{torn:?}");
        }
    }

    #[test]
    fn is_refused_with_a_bad_line_in_the_middle() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("book");
        std::fs::write(&path, "1\nx\n3\n").unwrap();
        let error = Journal::open::<u32>(&path).unwrap_err();
        assert!(error.to_string().contains("line 2"), "{error}");
    }

    #[test]
    fn belongs_to_one_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("book");
        let (_, first) = reopen(&path);
        assert!(Journal::open::<u32>(&path).is_err());
        drop(first);
        reopen(&path);
    }
}
