//! Settings from a file and the environment, and what is said of those that make no sense.

use super::*;

const URL: (&str, &str) = ("DATABASE_URL", "postgres://u:hush@db/mewayz");

fn load(file: &str, environment: &[(&str, &str)]) -> Result<Config, Mistakes> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mewayz.toml");
    std::fs::write(&path, file).unwrap();
    let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Config::load(Some(&path), environment)
}

#[test]
fn the_defaults_need_a_database_only() {
    let config = load("", &[URL]).unwrap();
    assert_eq!(config.http.listen, "127.0.0.1:8080");
    assert_eq!(config.kafka.brokers, None);
    assert_eq!(config.subscriptions.lease, Duration::from_secs(3));
    assert_eq!(config.database.owner_url().reveal(), URL.1);
    assert_eq!(config.cursor_key_file(), Path::new(".run/cursor.key"));

    let Err(Mistakes(mistakes)) = load("", &[]) else { panic!("a database is needed") };
    assert_eq!(mistakes.len(), 1);
    assert!(mistakes[0].starts_with("database.url: it is missing: set DATABASE_URL"), "{mistakes:?}");
}

#[test]
fn the_environment_comes_before_the_file_and_the_file_before_the_defaults() {
    let file = "[http]\nlisten = \"127.0.0.1:1\"\nconnections = 7\n[kafka]\nprefix = \"file\"";
    let config = load(file, &[URL, ("MEWAYZ_HTTP__LISTEN", "127.0.0.1:2")]).unwrap();
    assert_eq!((config.http.listen.as_str(), config.http.connections), ("127.0.0.1:2", 7));
    assert_eq!((config.kafka.prefix.as_str(), config.kafka.partitions), ("file", 12));
}

#[test]
fn takes_the_names_that_everybody_knows() {
    let config = load(
        "",
        &[
            URL,
            ("KAFKA_BROKERS", "a:1,b:2"),
            ("MEWAYZ_MIGRATE_URL", "postgres://owner@db/mewayz"),
            ("MEWAYZ_DATA", "/var/lib/mewayz"),
            ("MEWAYZ_LISTEN", "[::]:80"),
            ("MEWAYZ_KEY", "not an option"),
        ],
    )
    .unwrap();
    assert_eq!(config.kafka.brokers.as_deref(), Some("a:1,b:2"));
    assert_eq!(config.database.owner_url().reveal(), "postgres://owner@db/mewayz");
    assert_eq!(config.data, Path::new("/var/lib/mewayz"));
    assert_eq!(config.http.listen, "[::]:80");
}

#[test]
fn tells_all_mistakes_at_once_and_where_they_stand() {
    let file = "[http]\nlisten = \"here\"\nlissten = \"x\"\nconnections = \"many\"\n[kafak]\nprefix = \"x\"";
    let Err(Mistakes(mistakes)) = load(
        file,
        &[
            ("MEWAYZ_DATABASE__URL", "mysql"),
            ("MEWAYZ_DATABASE__DURABLE", "perhaps"),
            ("MEWAYZ_GATEWAY__WEBHOOK_SECRET", "hush"),
            ("MEWAYZ_LOG__FORMAT", "xml"),
            ("MEWAYZ_SUBSCRIPTIONS__LEASE_MS", "-1"),
        ],
    ) else {
        panic!("nothing of this is right")
    };
    for (option, what) in [
        ("http.listen (", "an address and a port"),
        ("http.lissten (", "there is no such option; [http] has body_time_ms, "),
        ("http.connections (", "a whole number"),
        ("kafak (", "there is no such option; there are data, database, "),
        ("database.url (the environment)", "postgres://"),
        ("database.durable (the environment)", "true or false"),
        ("gateway.webhook_secret (the environment)", "24 characters"),
        ("log.format (the environment)", "auto, json or text"),
        ("subscriptions.lease_ms (the environment)", "a whole number"),
    ] {
        assert!(
            mistakes.iter().any(|m| m.starts_with(option) && m.contains(what)),
            "{option}: {mistakes:#?}"
        );
    }
    assert_eq!(mistakes.len(), 9, "{mistakes:#?}");
    assert!(!mistakes.concat().contains("hush"));
}

#[test]
fn read_models_come_from_kafka_where_they_can() {
    let from = |views| ("MEWAYZ_SUBSCRIPTIONS__FROM_KAFKA", views);
    let kafka = ("KAFKA_BROKERS", "a:1");
    assert!(load("", &[URL]).unwrap().subscriptions.from_kafka.is_empty());
    assert!(load("", &[URL, from("")]).unwrap().subscriptions.from_kafka.is_empty());
    for config in [
        load("", &[URL, kafka, from("order, payment")]),
        load("[subscriptions]\nfrom_kafka = [\"order\", \"payment\"]", &[URL, kafka]),
    ] {
        assert_eq!(config.unwrap().subscriptions.from_kafka, ["order", "payment"]);
    }
    let views = projections::all();
    let mut possible: Vec<_> = views.iter().filter(|v| v.by_stream()).map(|v| v.name()).collect();
    possible.sort_unstable();
    let possible = possible.join(", ");
    for (given, what) in [
        (vec![URL, from("order")], "it needs a Kafka: set KAFKA_BROKERS"),
        (vec![URL, kafka, from("order,dashboard")], "`dashboard` is read from the store only"),
        (vec![URL, kafka, from("orders")], &*format!("`orders` is no read model; give some of {possible}")),
    ] {
        let Mistakes(mistakes) = load("", &given).unwrap_err();
        assert_eq!(mistakes.len(), 1, "{mistakes:?}");
        let told = mistakes[0].strip_prefix("subscriptions.from_kafka (the environment): ");
        assert!(told.is_some_and(|told| told.starts_with(what)), "{mistakes:?}");
    }
    let Mistakes(mistakes) = load("[subscriptions]\nfrom_kafka = 3", &[URL]).unwrap_err();
    assert!(mistakes[0].contains("give a list of texts"), "{mistakes:?}");
}

#[test]
fn a_file_that_is_not_there_or_no_toml_is_a_mistake() {
    let none = Config::load(Some(Path::new("/nowhere/mewayz.toml")), []).unwrap_err();
    assert!(none.to_string().contains("/nowhere/mewayz.toml"), "{none}");
    assert!(load("[http", &[URL]).unwrap_err().0[0].contains("mewayz.toml"));
}

#[test]
fn secrets_show_in_no_log() {
    let config = load("", &[URL, ("MEWAYZ_GATEWAY__WEBHOOK_SECRET", &"hush".repeat(8))]).unwrap();
    assert!(!format!("{config:?}").contains("hush"));
}
