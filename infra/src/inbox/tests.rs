//! Inbox: real mail from the SMTP adapter, and what can go wrong with it.

use std::time::Duration;

use commands::clock::SystemClock;
use commands::port::mail::template::{Letter, write};
use commands::port::mail::{Language, MailError, Mailer, Message};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::DropGuard;
use uuid::Uuid;

use super::*;
use crate::adapter::smtp::{Encryption, Options, SmtpMailer};

struct Running {
    smtp: SocketAddr,
    page: SocketAddr,
    mails: Mails,
    _folder: tempfile::TempDir,
    _stopped: DropGuard,
}

async fn inbox() -> Running {
    let folder = tempfile::tempdir().unwrap();
    let any = "127.0.0.1:0".parse().unwrap();
    let inbox = Inbox::bind(any, any, folder.path(), Arc::new(SystemClock)).await.unwrap();
    let (smtp, page) = (inbox.smtp_address().unwrap(), inbox.page_address().unwrap());
    let (mails, stop) = (inbox.mails(), CancellationToken::new());
    tokio::spawn(inbox.run(stop.clone()));
    Running { smtp, page, mails, _folder: folder, _stopped: stop.drop_guard() }
}

fn mailer(smtp: SocketAddr, encryption: Encryption) -> SmtpMailer {
    let options = Options {
        host: smtp.ip().to_string(),
        port: smtp.port(),
        encryption,
        ca_file: None,
        user: None,
        from: "Mewayz <no-reply@mewayz.example>".into(),
        timeout: Duration::from_secs(5),
    };
    SmtpMailer::new(options, Arc::new(SystemClock)).unwrap()
}

fn message(to: &str) -> Message {
    Message {
        id: Uuid::new_v4(),
        to: to.into(),
        language: Language::De,
        subject: "Grüße aus dem Laden, und noch ein langer Satz, der nicht in eine Zeile passt".into(),
        text: ".\n..zwei Punkte am Anfang\nFreundliche Grüße\n".into(),
        html: "<p>Freundliche Grüße</p>".into(),
    }
}

#[tokio::test]
async fn a_mail_arrives_as_it_was_written() {
    let inbox = inbox().await;
    let (mailer, sent) = (mailer(inbox.smtp, Encryption::None), message("jane@example.com"));
    mailer.hand_over(&sent).await.unwrap();
    let [mail] = &inbox.mails.all().unwrap()[..] else { panic!("one mail was sent") };
    assert_eq!((mail.from.as_str(), mail.to.as_str()), ("no-reply@mewayz.example", "jane@example.com"));
    assert_eq!(mail.subject, sent.subject);
    assert_eq!(mail.text.replace("\r\n", "\n").trim_end(), sent.text.trim_end());
    assert_eq!(mail.html.as_deref().map(str::trim_end), Some(sent.html.as_str()));
    assert_eq!(mail.message_id, format!("{}@mewayz.example", sent.id));
    let raw = String::from_utf8(mail.raw.clone()).unwrap();
    for header in ["MIME-Version: 1.0", "Date: ", "Content-Language: de", "Auto-Submitted: auto-generated"] {
        assert!(raw.contains(header), "{raw}");
    }
    assert!(raw.lines().all(|line| line.len() <= 998));
}

#[tokio::test]
async fn many_mails_go_over_few_connections() {
    let inbox = inbox().await;
    let mailer = Arc::new(mailer(inbox.smtp, Encryption::None));
    let sending = (0..50).map(|n| {
        let mailer = mailer.clone();
        tokio::spawn(async move { mailer.hand_over(&message(&format!("p{n}@example.com"))).await })
    });
    for sent in futures::future::join_all(sending.collect::<Vec<_>>()).await {
        sent.unwrap().unwrap();
    }
    let mut to: Vec<String> = inbox.mails.all().unwrap().into_iter().map(|mail| mail.to).collect();
    to.sort_unstable();
    to.dedup();
    assert_eq!(to.len(), 50);
}

#[tokio::test]
async fn every_letter_arrives_and_its_link_can_be_followed() {
    let inbox = inbox().await;
    let mailer = mailer(inbox.smtp, Encryption::None);
    let link = "https://mewayz.example/verify?token=a&b=c";
    for language in [Language::En, Language::De] {
        let letter = Letter::VerifyEmail { link: link.into(), hours: 24 };
        let letter = write(Uuid::new_v4(), "jane@example.com", language, &letter).unwrap();
        mailer.hand_over(&letter).await.unwrap();
    }
    let mails = inbox.mails.all().unwrap();
    assert_eq!(mails.len(), 2);
    assert!(mails.iter().all(|mail| mail.text.lines().any(|line| line == link)));
    let page = reqwest::get(format!("http://{}/mails/{}", inbox.page, mails[0].name)).await.unwrap();
    let page = page.text().await.unwrap();
    assert!(page.contains(r#"<a href="https://mewayz.example/verify?token=a&amp;b=c">"#), "{page}");
}

#[tokio::test]
async fn what_goes_wrong_is_told_by_what_is_certain() {
    let inbox = inbox().await;
    let mailer = mailer(inbox.smtp, Encryption::None);
    for (to, came) in [
        ("reject@example.com", MailError::Rejected("550".into())),
        ("defer@example.com", MailError::Unavailable("451".into())),
        ("refuse@example.com", MailError::Rejected("554".into())),
    ] {
        assert_eq!(mailer.hand_over(&message(to)).await, Err(came));
    }
    assert!(inbox.mails.all().unwrap().is_empty());
    // It is there, and nobody said so.
    let lost = mailer.hand_over(&message("hang-up@example.com")).await;
    assert!(matches!(lost, Err(MailError::Unknown(_))), "{lost:?}");
    assert_eq!(inbox.mails.all().unwrap().len(), 1);
    // What is no address is refused before anybody is asked.
    let bad = mailer.hand_over(&message("jane@example.com\r\nBcc: all@example.com")).await;
    assert!(matches!(bad, Err(MailError::Rejected(_))), "{bad:?}");
    // It goes on all the same.
    mailer.hand_over(&message("jane@example.com")).await.unwrap();
}

#[tokio::test]
async fn nobody_there_or_nobody_who_encrypts_is_not_yet() {
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let away = mailer(closed, Encryption::None).hand_over(&message("jane@example.com")).await;
    assert!(matches!(away, Err(MailError::Unavailable(_))), "{away:?}");
    let inbox = inbox().await;
    for encryption in [Encryption::Starttls, Encryption::Tls] {
        let open = mailer(inbox.smtp, encryption).hand_over(&message("jane@example.com")).await;
        assert!(matches!(open, Err(MailError::Unavailable(_))), "{open:?}");
    }
    assert!(inbox.mails.all().unwrap().is_empty());
}

#[tokio::test]
async fn a_server_that_went_while_nothing_was_sent_is_connected_to_anew() {
    let first = inbox().await;
    let mailer = mailer(first.smtp, Encryption::None);
    mailer.hand_over(&message("jane@example.com")).await.unwrap();
    let address = first.smtp;
    drop(first);
    let folder = tempfile::tempdir().unwrap();
    let any = "127.0.0.1:0".parse().unwrap();
    // The port is free once the first has let go of it.
    let again = loop {
        if let Ok(inbox) = Inbox::bind(address, any, folder.path(), Arc::new(SystemClock)).await {
            break inbox;
        }
        tokio::task::yield_now().await;
    };
    let (mails, stop) = (again.mails(), CancellationToken::new());
    let _stopped = stop.clone().drop_guard();
    tokio::spawn(again.run(stop));
    mailer.hand_over(&message("john@example.com")).await.unwrap();
    assert_eq!(mails.all().unwrap().len(), 1);
}

#[tokio::test]
async fn speaks_as_the_standard_says() {
    let inbox = inbox().await;
    let mut client = TcpStream::connect(inbox.smtp).await.unwrap();
    let said = [
        "HELO me",
        "DATA",
        "RCPT TO:<a@b.example>",
        "MAIL FROM:",
        "MAIL FROM:<> SIZE=5",
        "RCPT TO:<>",
        "rcpt to:<a@b.example>",
        "DATA",
        "Subject: x\r\n\r\n..\r\n.",
        "VRFY a",
        "NOOP",
        "RSET",
        "QUIT",
    ];
    client.write_all((said.join("\r\n") + "\r\n").as_bytes()).await.unwrap();
    let mut heard = String::new();
    client.read_to_string(&mut heard).await.unwrap();
    let codes: Vec<&str> = heard.lines().map(|line| &line[..3]).collect();
    assert_eq!(
        codes,
        ["220", "250", "503", "503", "501", "250", "501", "250", "354", "250", "502", "250", "250", "221"]
    );
    let [mail] = &inbox.mails.all().unwrap()[..] else { panic!("one mail was sent") };
    assert_eq!(mail.raw, b"Return-Path: <>\r\nDelivered-To: a@b.example\r\nSubject: x\r\n\r\n.\r\n");
}

#[tokio::test]
async fn what_is_too_long_is_not_taken() {
    let inbox = inbox().await;
    for (body, code) in [("x".repeat(2_000), "552"), ("xxxxxxx\r\n".repeat(120_000), "552")] {
        let mut client = TcpStream::connect(inbox.smtp).await.unwrap();
        let all = format!("HELO me\r\nMAIL FROM:<a@b>\r\nRCPT TO:<a@b>\r\nDATA\r\n{body}\r\n.\r\nQUIT\r\n");
        client.write_all(all.as_bytes()).await.unwrap();
        let mut heard = String::new();
        client.read_to_string(&mut heard).await.unwrap();
        assert!(heard.lines().any(|line| line.starts_with(code)), "{heard}");
    }
    assert!(inbox.mails.all().unwrap().is_empty());
}

#[tokio::test]
async fn its_page_shows_mails_and_runs_nothing_of_them() {
    let inbox = inbox().await;
    let page = |path: String| async move {
        let answer = reqwest::get(format!("http://{}{path}", inbox.page)).await.unwrap();
        let policy = answer.headers().get("content-security-policy").map(|p| p.to_str().unwrap().to_owned());
        (answer.status().as_u16(), policy, answer.text().await.unwrap())
    };
    assert!(page("/".into()).await.2.contains("No mail has come yet"));
    let evil = Message {
        subject: "<script>alert(1)</script>".into(),
        text: "<script>alert(2)</script>".into(),
        html: "<script>alert(3)</script>".into(),
        ..message("jane@example.com")
    };
    mailer(inbox.smtp, Encryption::None).hand_over(&evil).await.unwrap();
    let name = &inbox.mails.all().unwrap()[0].name;
    let (list, shown) = (page("/".into()).await, page(format!("/mails/{name}")).await);
    assert!(list.2.contains("&lt;script&gt;alert(1)") && shown.2.contains("&lt;script&gt;alert(2)"));
    assert!(![&list.2, &shown.2].iter().any(|page| page.contains("<script")));
    let (status, policy, html) = page(format!("/mails/{name}/html")).await;
    assert_eq!((status, html.contains("alert(3)")), (200, true));
    assert!(policy.is_some_and(|policy| policy.starts_with("sandbox;")));
    for nothing in ["/mails/x", "/mails/..%2F..%2Fetc%2Fpasswd"] {
        assert_eq!(page(nothing.into()).await.0, 404);
    }
}
