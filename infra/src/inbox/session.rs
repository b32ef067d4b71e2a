//! A conversation with a mail client (RFC 5321, without extensions but SIZE and 8BITMIME).

use std::io;
use std::time::Duration;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::Mails;

/// The longest line, with its end (RFC 5321 4.5.3.1.6).
const LINE: u64 = 1_000;
/// The largest mail.
const SIZE: usize = 1 << 20;
/// Recipients of one mail.
const RECIPIENTS: usize = 100;
/// How long a client may say nothing.
const SILENCE: Duration = Duration::from_secs(300);

/// What was said of the mail to come.
#[derive(Default)]
struct Envelope {
    from: Option<String>,
    to: Vec<String>,
}

/// Takes mails until the client goes.
pub(super) async fn converse(mut stream: TcpStream, mails: &Mails) -> io::Result<()> {
    let (reader, mut writer) = stream.split();
    let mut reader = BufReader::new(reader);
    let mut envelope = Envelope::default();
    say(&mut writer, "220 inbox ESMTP").await?;
    while let Some(line) = line(&mut reader).await? {
        let Ok(line) = line else {
            say(&mut writer, "500 5.5.2 line too long").await?;
            return Ok(());
        };
        let text = String::from_utf8_lossy(&line);
        let (verb, rest) = text.split_once(' ').unwrap_or((&text, ""));
        let answer = match verb.to_ascii_uppercase().as_str() {
            "EHLO" => "250-inbox\r\n250-8BITMIME\r\n250 SIZE 1048576",
            "HELO" => "250 inbox",
            "MAIL" => match path(rest, "FROM:") {
                Some(from) => {
                    envelope = Envelope { from: Some(from), to: Vec::new() };
                    "250 2.1.0 ok"
                }
                None => "501 5.5.4 MAIL FROM:<address>",
            },
            "RCPT" => match path(rest, "TO:").filter(|to| !to.is_empty()) {
                _ if envelope.from.is_none() => "503 5.5.1 MAIL comes first",
                None => "501 5.5.4 RCPT TO:<address>",
                Some(_) if envelope.to.len() == RECIPIENTS => "452 4.5.3 too many recipients",
                Some(to) if is_for(&to, "reject") => "550 5.1.1 there is no such mailbox",
                Some(to) if is_for(&to, "defer") => "451 4.2.1 not now",
                Some(to) => {
                    envelope.to.push(to);
                    "250 2.1.5 ok"
                }
            },
            "DATA" if envelope.to.is_empty() => "503 5.5.1 RCPT comes first",
            "DATA" => {
                say(&mut writer, "354 end with a line of one dot").await?;
                let Some(data) = data(&mut reader).await? else { return Ok(()) };
                let Envelope { from, to } = std::mem::take(&mut envelope);
                match data {
                    Err(TooLarge) => "552 5.3.4 too large",
                    Ok(_) if to.iter().any(|to| is_for(to, "refuse")) => "554 5.6.0 not with this in it",
                    Ok(data) => {
                        mails.keep(&from.unwrap_or_default(), &to, &data)?;
                        if to.iter().any(|to| is_for(to, "hang-up")) {
                            return Ok(());
                        }
                        "250 2.0.0 kept"
                    }
                }
            }
            "RSET" => {
                envelope = Envelope::default();
                "250 2.0.0 ok"
            }
            "NOOP" => "250 2.0.0 ok",
            "QUIT" => {
                say(&mut writer, "221 2.0.0 goodbye").await?;
                return Ok(());
            }
            _ => "502 5.5.1 unknown here",
        };
        say(&mut writer, answer).await?;
    }
    Ok(())
}

fn is_for(address: &str, name: &str) -> bool {
    address.split_once('@').is_some_and(|(local, _)| local == name)
}

/// `FROM:<address> PARAMETERS`: the address.
fn path(rest: &str, word: &str) -> Option<String> {
    let rest = rest.get(word.len()..).filter(|_| rest[..word.len()].eq_ignore_ascii_case(word))?;
    let (address, _) = rest.trim_start().strip_prefix('<')?.split_once('>')?;
    Some(address.to_owned())
}

async fn say(writer: &mut (impl AsyncWrite + Unpin), answer: &str) -> io::Result<()> {
    writer.write_all(format!("{answer}\r\n").as_bytes()).await
}

struct TooLong;
struct TooLarge;

/// A line without its end; none once the client has gone.
async fn line(reader: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<Result<Vec<u8>, TooLong>>> {
    let mut line = Vec::new();
    let mut limited = reader.take(LINE);
    let read = limited.read_until(b'\n', &mut line);
    tokio::time::timeout(SILENCE, read).await.map_err(|_| io::ErrorKind::TimedOut)??;
    match line.strip_suffix(b"\n") {
        None if line.len() as u64 == LINE => Ok(Some(Err(TooLong))),
        None => Ok(None),
        Some(text) => Ok(Some(Ok(text.strip_suffix(b"\r").unwrap_or(text).to_owned()))),
    }
}

/// The mail up to the line of one dot, the dots that were doubled undone.
async fn data(reader: &mut (impl AsyncBufRead + Unpin)) -> io::Result<Option<Result<Vec<u8>, TooLarge>>> {
    let mut data = Vec::new();
    let mut fits = true;
    loop {
        let Some(line) = line(reader).await? else { return Ok(None) };
        // A line that is too long makes the mail one that is not taken; its end is waited for all the same.
        let Ok(line) = line else {
            fits = false;
            continue;
        };
        if line == b"." {
            return Ok(Some(if fits { Ok(data) } else { Err(TooLarge) }));
        }
        fits = fits && data.len() + line.len() < SIZE;
        if fits {
            data.extend(line.strip_prefix(b".").unwrap_or(&line));
            data.extend(b"\r\n");
        }
    }
}
