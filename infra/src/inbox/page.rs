//! The page on which mails are read: a list, each mail as text and as HTML, and as it came.

use std::fmt::Write;

use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};

use super::{Mail, Mails};

/// What a mail may do when it is shown: nothing but look as it wants.
const SANDBOX: &str = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:";
const STYLE: &str = "body{font-family:system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}\
    table{border-collapse:collapse;width:100%}td,th{text-align:left;padding:.4rem;border-bottom:1px solid #ddd}\
    pre{white-space:pre-wrap;background:#f6f6f4;padding:1rem}iframe{width:100%;height:30rem;border:1px solid #ddd}";

pub(super) fn routes(mails: Mails) -> Router {
    Router::new()
        .route("/", get(list))
        .route("/mails", get(list_as_json))
        .route("/mails/{name}", get(show))
        .route("/mails/{name}/html", get(html))
        .route("/mails/{name}/raw", get(raw))
        .with_state(mails)
}

async fn list(State(mails): State<Mails>) -> Result<Html<String>, StatusCode> {
    let mut rows = String::new();
    for mail in mails.all().map_err(unreadable)? {
        let Mail { name, to, subject, date, .. } = mail;
        let date = date.map(|date| date.format("%Y-%m-%d %H:%M:%S UTC").to_string()).unwrap_or_default();
        let subject = if subject.is_empty() { "(no subject)" } else { &subject };
        _ = write!(
            rows,
            r#"<tr><td>{date}</td><td>{}</td><td><a href="/mails/{name}">{}</a></td></tr>"#,
            escaped(&to),
            escaped(subject)
        );
    }
    if rows.is_empty() {
        rows = r#"<tr><td colspan="3">No mail has come yet.</td></tr>"#.to_owned();
    }
    Ok(page(
        "Inbox",
        &format!(
            "<table><thead><tr><th>When</th><th>To</th><th>Subject</th></tr></thead><tbody>{rows}</tbody></table>"
        ),
    ))
}

async fn list_as_json(State(mails): State<Mails>) -> Result<Json<Vec<Mail>>, StatusCode> {
    mails.all().map(Json).map_err(unreadable)
}

async fn show(State(mails): State<Mails>, Path(name): Path<String>) -> Result<Html<String>, StatusCode> {
    let Mail { name, from, to, subject, text, html, .. } = find(&mails, &name)?;
    let html = html.map(|_| {
        format!(
            r#"<h2>As HTML</h2><iframe sandbox src="/mails/{name}/html" title="The mail as HTML"></iframe>"#
        )
    });
    Ok(page(
        &subject,
        &format!(
            r#"<p><a href="/">All mails</a> · <a href="/mails/{name}/raw">as it came</a></p>
<p>From {} to {}</p><h2>As text</h2><pre>{}</pre>{}"#,
            escaped(&from),
            escaped(&to),
            linked(&text),
            html.unwrap_or_default()
        ),
    ))
}

async fn html(State(mails): State<Mails>, Path(name): Path<String>) -> Result<Response, StatusCode> {
    let html = find(&mails, &name)?.html.ok_or(StatusCode::NOT_FOUND)?;
    Ok(([(header::CONTENT_SECURITY_POLICY, SANDBOX)], Html(html)).into_response())
}

async fn raw(State(mails): State<Mails>, Path(name): Path<String>) -> Result<Response, StatusCode> {
    let raw = find(&mails, &name)?.raw;
    let headers =
        [(header::CONTENT_TYPE, "text/plain; charset=utf-8"), (header::X_CONTENT_TYPE_OPTIONS, "nosniff")];
    Ok((headers, raw).into_response())
}

fn find(mails: &Mails, name: &str) -> Result<Mail, StatusCode> {
    mails.find(name).map_err(unreadable)?.ok_or(StatusCode::NOT_FOUND)
}

fn unreadable(error: std::io::Error) -> StatusCode {
    tracing::error!(error = %error, "the inbox cannot be read");
    StatusCode::INTERNAL_SERVER_ERROR
}

fn page(title: &str, body: &str) -> Html<String> {
    let title = escaped(title);
    Html(format!(
        r#"<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title><style>{STYLE}</style></head>
<body><h1>{title}</h1>{body}</body></html>"#
    ))
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            letter => escaped.push(letter),
        }
    }
    escaped
}

/// Text in which what begins like a link can be followed.
fn linked(text: &str) -> String {
    let is_link = |word: &str| word.starts_with("https://") || word.starts_with("http://");
    text.split_inclusive(char::is_whitespace)
        .map(|word| match word.trim_end() {
            link if is_link(link) => {
                format!(r#"<a href="{0}">{0}</a>{1}"#, escaped(link), &word[link.len()..])
            }
            _ => escaped(word),
        })
        .collect()
}
