//! The event store against a real database: what is taken, what is answered, and what never happens to the log.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use commands::error::{Error, Refused};
use commands::store::appender::{Append, Appended, Entry, NewEvent};
use commands::store::{CACHED_AGGREGATES, Outcome};
use commands::{EventStore, clock::Clock, clock::SystemClock};
use domain::ids::WorkspaceId;
use domain::kernel::Kind;
use futures::future::join_all;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sqlx::{Connection, PgConnection};
use tests::database::TestDatabase;
use tests::process::until;
use uuid::Uuid;

fn now() -> DateTime<Utc> {
    SystemClock.now()
}

fn workspace(n: u128) -> WorkspaceId {
    WorkspaceId::from_uuid(Uuid::from_u128(n))
}

fn open(database: &TestDatabase) -> EventStore {
    EventStore::open(database.pool.clone(), database.run.clone(), CACHED_AGGREGATES)
}

fn event(payload: &str) -> NewEvent {
    NewEvent {
        event_id: Uuid::now_v7(),
        event_type: "Turned".into(),
        event_version: "1".into(),
        payload: payload.into(),
        metadata: "{}".into(),
        effective_at: now(),
    }
}

/// `events` more events for each of the streams `(id, expected version)`, all of one workspace.
fn command(of: u128, streams: &[(&str, i64)], events: usize) -> Append {
    let workspace = workspace(of);
    let entry = |&(id, expected): &(&str, i64)| Entry {
        aggregate_type: "test.wheel",
        aggregate_id: format!("{workspace}/{id}"),
        expected,
        events: (0..events).map(|_| event(r#"{"type":"Turned"}"#)).collect(),
    };
    Append {
        command_id: Uuid::new_v4(),
        request_hash: b"request".to_vec(),
        subject: streams[0].0.to_owned(),
        version: streams[0].1 + events as i64,
        refusal: None,
        workspace: workspace.uuid(),
        entries: streams.iter().map(entry).collect(),
    }
}

/// The same command, sent once more.
fn again(append: &Append) -> Append {
    let entry = |entry: &Entry| Entry {
        aggregate_type: entry.aggregate_type,
        aggregate_id: entry.aggregate_id.clone(),
        expected: entry.expected,
        events: entry.events.iter().map(|e| event(&e.payload)).collect(),
    };
    Append {
        command_id: append.command_id,
        request_hash: append.request_hash.clone(),
        subject: append.subject.clone(),
        version: append.version,
        refusal: append.refusal.clone(),
        workspace: append.workspace,
        entries: append.entries.iter().map(entry).collect(),
    }
}

fn outcome(answer: Result<Appended, Error>) -> Outcome {
    match answer.unwrap() {
        Appended::Done(Ok(outcome)) => outcome,
        other => panic!("not taken: {other:?}"),
    }
}

fn conflict(answer: Result<Appended, Error>) -> i64 {
    match answer.unwrap() {
        Appended::Conflict { current } => current,
        other => panic!("no conflict: {other:?}"),
    }
}

/// Sends them together: they are in the queue before the appender looks at it.
async fn together(store: &EventStore, commands: Vec<Append>) -> Vec<Result<Appended, Error>> {
    join_all(commands.into_iter().map(|command| store.append(command, now()))).await
}

async fn count(store: &EventStore, sql: &str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(store.pool()).await.unwrap()
}

/// What holds of the log whatever was done: no gaps anywhere, time never goes back, the head is its end.
async fn assert_whole(store: &EventStore) {
    for (what, sql) in [
        ("positions", "select count(*) from (select position - row_number() over (order by position) d from events) x where d <> 0"),
        (
            "workspace positions",
            "select count(*) from (select workspace_position - row_number() over (partition by workspace_id order by position) d
             from events) x where d <> 0",
        ),
        (
            "sequences",
            "select count(*) from (select sequence - row_number() over (partition by aggregate_type, aggregate_id order by position) d
             from events) x where d <> 0",
        ),
        (
            "times",
            "select count(*) from (select recorded_at < lag(recorded_at) over (order by position) as back from events) x where back",
        ),
        ("the head", "select abs(position - (select count(*) from events)) from head"),
        (
            "answers",
            "select count(*) from commands c where refusal is null and not exists (select from events e where e.position = c.position)",
        ),
    ] {
        assert_eq!(count(store, sql).await, 0, "{what}");
    }
}

#[tokio::test]
async fn a_command_on_two_streams_is_taken_whole_or_not_at_all() {
    let database = TestDatabase::create().await;
    let store = open(&database);
    let answer = outcome(store.append(command(1, &[("left", 0), ("right", 0)], 2), now()).await);
    assert_eq!((answer.id.as_str(), answer.version, answer.position.0), ("left", 2, 4));

    for streams in [[("left", 2), ("right", 1)], [("left", 0), ("right", 2)], [("left", 2), ("right", 3)]] {
        conflict(store.append(command(1, &streams, 1), now()).await);
    }
    assert_eq!(conflict(store.append(command(1, &[("left", 2), ("right", 0)], 1), now()).await), 2);
    assert_eq!(count(&store, "select count(*) from events").await, 4);

    let answer = outcome(store.append(command(1, &[("left", 2), ("right", 2)], 1), now()).await);
    assert_eq!((answer.version, answer.position.0), (3, 6));
    assert_whole(&store).await;
}

#[tokio::test]
async fn a_repeated_command_gets_its_first_answer_whatever_happened_since() {
    let database = TestDatabase::create().await;
    let store = open(&database);
    let first = command(1, &[("wheel", 0)], 3);
    let repeat = again(&first);
    let mut altered = again(&first);
    altered.request_hash = b"another request".to_vec();
    let answer = outcome(store.append(first, now()).await);
    outcome(store.append(command(1, &[("wheel", 3)], 1), now()).await);

    let mut answers =
        together(&store, vec![repeat, command(1, &[("other", 0)], 1), altered]).await.into_iter();
    assert_eq!(outcome(answers.next().unwrap()), Outcome { replayed: true, ..answer });
    assert_eq!(outcome(answers.next().unwrap()).position.0, 5);
    assert!(matches!(answers.next().unwrap().unwrap(), Appended::KeyReused));
    assert_eq!(count(&store, "select count(*) from events").await, 5);
    assert_whole(&store).await;
}

/// What goes without others goes another way (`append_one`): its answers are those of a batch.
#[tokio::test]
async fn a_command_alone_is_answered_as_in_a_batch() {
    let database = TestDatabase::create().await;
    let store = open(&database);
    let append = |append| store.append(append, now());
    let first = command(1, &[("wheel", 0)], 1);
    let (repeat, mut altered) = (again(&first), again(&first));
    altered.request_hash = b"another request".to_vec();
    let answer = outcome(append(first).await);
    assert_eq!((answer.version, answer.position.0, answer.replayed), (1, 1, false));
    assert_eq!(outcome(append(command(1, &[("wheel", 1)], 1)).await).version, 2);
    assert_eq!(outcome(append(command(2, &[("wheel", 0)], 1)).await).position.0, 3);

    for (id, behind_or_ahead, current) in [("wheel", 0, 2), ("wheel", 1, 2), ("wheel", 3, 2), ("new", 4, 0)] {
        assert_eq!(conflict(append(command(1, &[(id, behind_or_ahead)], 1)).await), current);
    }
    assert_eq!(outcome(append(repeat).await), Outcome { replayed: true, ..answer });
    assert!(matches!(append(altered).await.unwrap(), Appended::KeyReused));

    assert_eq!(count(&store, "select count(*) from events").await, 3);
    let stored = "select count(*) from commands c join events e using (position)
                  where c.subject = 'wheel' and c.version = e.sequence and c.refusal is null";
    assert_eq!(count(&store, stored).await, 3);
    assert_whole(&store).await;
}

#[tokio::test]
async fn a_refusal_is_stored_and_repeated_unless_it_was_decided_on_a_stale_state() {
    let database = TestDatabase::create().await;
    let store = open(&database);
    outcome(store.append(command(1, &[("wheel", 0)], 1), now()).await);
    let refused = Refused {
        kind: Kind::Conflict,
        code: "wheel/broken".into(),
        message: "it is broken".into(),
        replayed: false,
    };
    let refusal =
        |expected| Append { refusal: Some(refused.clone()), ..command(1, &[("wheel", expected)], 0) };

    assert_eq!(conflict(store.append(refusal(0), now()).await), 1);
    let decided = refusal(1);
    let repeat = again(&decided);
    let answers = [store.append(decided, now()).await, store.append(repeat, now()).await];
    for (answer, replayed) in answers.into_iter().zip([false, true]) {
        match answer.unwrap() {
            Appended::Done(Err(answer)) => assert_eq!(answer, Refused { replayed, ..refused.clone() }),
            other => panic!("not refused: {other:?}"),
        }
    }

    // A decision of nothing is answered with the log's end as it was.
    let nothing = outcome(store.append(command(1, &[("wheel", 1)], 0), now()).await);
    assert_eq!((nothing.version, nothing.position.0), (1, 1));
    assert_eq!(conflict(store.append(command(1, &[("wheel", 0)], 0), now()).await), 1);
    assert_whole(&store).await;
}

#[tokio::test]
async fn a_conflict_of_one_command_harms_no_other_of_its_batch() {
    let database = TestDatabase::create().await;
    let store = open(&database);
    outcome(store.append(command(1, &[("taken", 0)], 2), now()).await);

    let commands = vec![
        command(1, &[("a", 0)], 2),
        command(1, &[("taken", 0)], 1),
        command(2, &[("b", 0)], 1),
        command(2, &[("ahead", 5)], 1),
        command(1, &[("taken too", 0)], 1),
    ];
    let mut answers = together(&store, commands).await.into_iter();
    assert_eq!(outcome(answers.next().unwrap()).position.0, 4);
    assert_eq!(conflict(answers.next().unwrap()), 2);
    assert_eq!(outcome(answers.next().unwrap()).position.0, 5);
    assert_eq!(conflict(answers.next().unwrap()), 0);
    assert_eq!(outcome(answers.next().unwrap()).position.0, 6);
    let batches = "select count(distinct recorded_at) from events where position > 2";
    assert_eq!(count(&store, batches).await, 1, "they were one batch");
    assert_whole(&store).await;
}

/// No index finds it: nothing is where it wants to be, and what it would follow is not there.
#[tokio::test]
async fn a_command_ahead_of_its_stream_is_a_conflict_in_a_batch_too() {
    let database = TestDatabase::create().await;
    for (id, version, expected) in [("wheel", 2, 3), ("nothing", 0, 1)] {
        // One that has seen no conflict yet: after one, versions are looked up.
        let store = open(&database);
        if version > 0 {
            outcome(store.append(command(1, &[(id, 0)], version as usize), now()).await);
        }
        let beside = command(2, &[(&format!("beside {id}"), 0)], 1);
        let mut answers = together(&store, vec![beside, command(1, &[(id, expected)], 1)]).await.into_iter();
        outcome(answers.next().unwrap());
        assert_eq!(conflict(answers.next().unwrap()), version);
        assert_whole(&store).await;
    }
}

/// What is inserted and rolled back leaves dead rows: one conflict does, those after it are found first.
#[tokio::test]
async fn after_a_conflict_others_are_found_before_anything_is_inserted() {
    let database = TestDatabase::create().await;
    let store = open(&database);
    outcome(store.append(command(1, &[("wheel", 0)], 2), now()).await);
    let behind = || command(1, &[("wheel", 1)], 1);
    for n in 0..3 {
        assert_eq!(conflict(store.append(behind(), now()).await), 2);
        let beside = command(2, &[(&format!("beside {n}"), 0)], 1);
        let mut answers = together(&store, vec![beside, behind()]).await.into_iter();
        outcome(answers.next().unwrap());
        assert_eq!(conflict(answers.next().unwrap()), 2);
    }
    assert_whole(&store).await;

    // Its connection tells what it has done when it is closed.
    drop(store);
    let told = |what: &'static str| {
        let sql = format!("select {what} from pg_stat_user_tables where relname = 'events'");
        let pool = &database.pool;
        async move { sqlx::query_scalar::<_, i64>(&sql).fetch_one(pool).await.unwrap() }
    };
    until("it is told", || async { told("n_tup_ins").await >= 5 }).await;
    assert_eq!(told("n_dead_tup").await, 1, "the first conflict's");
}

#[tokio::test]
async fn commands_in_flight_on_one_stream_or_with_one_id_wait_for_each_other() {
    let database = TestDatabase::create().await;
    let store = open(&database);
    let in_turn = (0..5).map(|expected| command(1, &[("wheel", expected)], 1)).collect();
    for (n, answer) in (1..).zip(together(&store, in_turn).await) {
        assert_eq!(outcome(answer).version, n);
    }

    let one = command(1, &[("other", 0)], 1);
    let copies = (0..5).map(|_| again(&one)).collect();
    let answers: Vec<Outcome> = together(&store, copies).await.into_iter().map(outcome).collect();
    assert!(answers.iter().all(|answer| answer.position.0 == 6), "{answers:?}");
    assert_eq!(answers.iter().filter(|answer| !answer.replayed).count(), 1);
    assert_whole(&store).await;
}

#[tokio::test]
async fn what_the_database_cannot_take_harms_only_its_own_command() {
    let database = TestDatabase::create().await;
    let store = open(&database);
    let mut commands: Vec<Append> = (0..9).map(|n| command(1, &[(&format!("wheel-{n}"), 0)], 1)).collect();
    commands[1].entries[0].events[0].payload = "{\"text\":\"\0\"}".into();
    commands[4].entries[0].events[0].payload = "no JSON".into();
    // More than an index entry can be; not compressible.
    commands[7].entries[0].aggregate_id = (0..500).map(|_| Uuid::new_v4().to_string()).collect();
    for (n, answer) in together(&store, commands).await.into_iter().enumerate() {
        assert_eq!(answer.is_err(), [1, 4, 7].contains(&n), "{n}: {answer:?}");
    }
    assert_eq!(count(&store, "select count(*) from events").await, 6);
    outcome(store.append(command(1, &[("wheel-1", 0)], 1), now()).await);
    assert_whole(&store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_appenders_and_many_writers_leave_no_gap() {
    // So many that each appender has two batches under way.
    const WRITERS: usize = 256;
    let database = TestDatabase::create().await;
    let stores = [open(&database), open(&database)];
    let writers = (0..WRITERS).map(|writer: usize| {
        let store = stores[writer % 2].clone();
        tokio::spawn(async move {
            let (mut own, mut shared) = (0, 0);
            for _ in 0..15 {
                let id = format!("own-{writer}");
                own =
                    outcome(store.append(command(writer as u128 % 5, &[(&id, own)], 2), now()).await).version;
                // One stream of all writers of a workspace: most are stale, and learn the version.
                let contested = command(writer as u128 % 5, &[("shared", shared)], 1);
                shared = match store.append(contested, now()).await.unwrap() {
                    Appended::Done(answer) => answer.unwrap().version,
                    Appended::Conflict { current } => current,
                    Appended::KeyReused | Appended::Baseless => panic!("the id is new, and follows nothing"),
                };
            }
        })
    });
    for writer in join_all(writers).await {
        writer.unwrap();
    }
    let own = "select count(*) from events where aggregate_id like '%/own-%'";
    assert_eq!(count(&stores[0], own).await, WRITERS as i64 * 15 * 2);
    assert!(count(&stores[0], "select count(*) from events where aggregate_id like '%/shared'").await >= 15);
    let connections = "select count(*) from pg_stat_activity
                       where datname = current_database() and query like '%append%' and pid <> pg_backend_pid()";
    assert_eq!(count(&stores[0], connections).await, 4);
    assert_whole(&stores[0]).await;
}

#[tokio::test]
async fn time_never_goes_back_in_the_log() {
    let database = TestDatabase::create().await;
    let store = open(&database);
    let noon = now();
    for (n, minutes) in [0, -10, 5, 3].into_iter().enumerate() {
        let at = noon + TimeDelta::minutes(minutes);
        outcome(store.append(command(1, &[(&format!("wheel-{n}"), 0)], 1), at).await);
    }
    let recorded: Vec<i64> =
        store.read(0, 10).await.unwrap().iter().map(|e| (e.recorded_at - noon).num_minutes()).collect();
    assert_eq!(recorded, [0, 0, 5, 5]);
}

#[tokio::test]
async fn nobody_changes_what_is_in_the_log() {
    let database = TestDatabase::create().await;
    let store = open(&database);
    outcome(store.append(command(1, &[("wheel", 0)], 1), now()).await);
    let mut run = PgConnection::connect_with(&database.run).await.unwrap();
    let mut owner = PgConnection::connect_with(&database.owner).await.unwrap();
    for table in ["events", "commands"] {
        for sql in [
            format!("update {table} set position = 7"),
            format!("delete from {table}"),
            format!("truncate {table}"),
        ] {
            for (connection, state) in [(&mut run, "42501"), (&mut owner, "23001")] {
                let error = sqlx::raw_sql(&sql).execute(connection).await.unwrap_err();
                assert_eq!(error.as_database_error().unwrap().code().unwrap(), state, "{sql}");
            }
        }
    }
    for sql in ["insert into events select * from events", "update head set position = 0", "delete from head"]
    {
        let error = sqlx::raw_sql(sql).execute(&mut run).await.unwrap_err();
        assert_eq!(error.as_database_error().unwrap().code().unwrap(), "42501", "{sql}");
    }
    assert_whole(&store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_are_killed_lose_and_double_nothing() {
    const KILLS: i64 = 25;
    let database = TestDatabase::create().await;
    let store = open(&database);
    let kills = Arc::new(AtomicI64::new(0));
    // So many that two batches are under way.
    let writers = join_all((0..160).map(|writer| {
        let (store, kills) = (store.clone(), kills.clone());
        tokio::spawn(async move {
            let (id, mut version) = (format!("wheel-{writer}"), 0);
            while kills.load(Ordering::Relaxed) < KILLS {
                version = outcome(store.append(command(1, &[(&id, version)], 1), now()).await).version;
            }
            version
        })
    }));
    let killer = async {
        while kills.load(Ordering::Relaxed) < KILLS {
            let killed = count(
                &store,
                "select count(*) filter (where pg_terminate_backend(pid)) from pg_stat_activity
                 where datname = current_database() and query like '%append%' and pid <> pg_backend_pid()",
            );
            kills.fetch_add(killed.await, Ordering::Relaxed);
        }
    };
    let (versions, ()) = tokio::join!(writers, killer);
    let answered: i64 = versions.into_iter().map(|version| version.unwrap()).sum();
    assert!(answered > 0);
    assert_eq!(count(&store, "select count(*) from events").await, answered);
    assert_eq!(count(&store, "select count(*) from commands").await, answered);
    assert_whole(&store).await;
}

/// Commands on one stream, one event each, of which each was decided on what the one before it came to.
fn in_turn(id: &str, from: i64, count: i64) -> Vec<Append> {
    (from..from + count).map(|expected| command(1, &[(id, expected)], 1)).collect()
}

fn baseless(answers: impl IntoIterator<Item = Result<Appended, Error>>) -> usize {
    let check = |answer| assert!(matches!(answer, Ok(Appended::Baseless)), "{answer:?}");
    answers.into_iter().map(check).count()
}

#[tokio::test]
async fn commands_that_follow_each_other_on_a_stream_are_one_append_with_an_answer_each() {
    let database = TestDatabase::create().await;
    let store = open(&database);
    for from in [0, 5] {
        let beside = command(2, &[(&format!("beside {from}"), 0)], 2);
        let (answers, beside) =
            tokio::join!(store.append_in_turn(in_turn("wheel", from, 5), now()), store.append(beside, now()));
        for (version, answer) in (from + 1..).zip(answers) {
            assert_eq!(outcome(answer).version, version);
        }
        outcome(beside);
    }
    assert_eq!(count(&store, "select count(distinct recorded_at) from events").await, 2);
    let stored = "select count(*) from commands c join events e using (position)
                  where c.subject = 'wheel' and c.version = e.sequence and c.refusal is null";
    assert_eq!(count(&store, stored).await, 10);
    assert_whole(&store).await;
}

#[tokio::test]
async fn what_was_decided_on_what_was_not_taken_is_not_taken_either() {
    let database = TestDatabase::create().await;
    let store = open(&database);
    let known = command(1, &[("wheel", 0)], 1);
    let (repeat, mut altered) = (again(&known), again(&known));
    altered.request_hash = b"another request".to_vec();
    let first = outcome(store.append(known, now()).await);

    // Known: it did not happen again, so those after it were decided on what is not so.
    let mut commands = in_turn("wheel", 1, 4);
    commands[1] = Append { entries: in_turn("wheel", 2, 1).remove(0).entries, ..repeat };
    let beside = command(2, &[("beside", 0)], 1);
    let (answers, beside) = tokio::join!(store.append_in_turn(commands, now()), store.append(beside, now()));
    let mut answers = answers.into_iter();
    assert_eq!(outcome(answers.next().unwrap()).version, 2);
    assert_eq!(outcome(answers.next().unwrap()), Outcome { replayed: true, ..first });
    assert_eq!(baseless(answers), 2);
    outcome(beside);

    let mut commands = in_turn("wheel", 2, 3);
    commands[0] = Append { entries: in_turn("wheel", 2, 1).remove(0).entries, ..altered };
    let mut answers = store.append_in_turn(commands, now()).await.into_iter();
    assert!(matches!(answers.next().unwrap().unwrap(), Appended::KeyReused));
    assert_eq!(baseless(answers), 2);

    // Another has made the very version that the second expects: it is not the one that it was decided on.
    let behind = in_turn("wheel", 1, 3);
    let mut answers = store.append_in_turn(behind, now()).await.into_iter();
    assert_eq!(conflict(answers.next().unwrap()), 2);
    assert_eq!(baseless(answers), 2);
    assert_eq!(count(&store, "select count(*) from events").await, 3);
    assert_whole(&store).await;
}

#[tokio::test]
async fn a_refusal_is_followed_like_any_other_command() {
    let database = TestDatabase::create().await;
    let store = open(&database);
    let broken = || Refused {
        kind: Kind::Conflict,
        code: "wheel/broken".into(),
        message: "it is broken".into(),
        replayed: false,
    };
    let refusal = |version| Append { refusal: Some(broken()), ..command(1, &[("wheel", version)], 0) };
    let commands = |version| {
        vec![
            refusal(version),
            command(1, &[("wheel", version)], 2),
            refusal(version + 2),
            refusal(version + 2),
            command(1, &[("wheel", version + 2)], 1),
        ]
    };
    for version in [0, 3] {
        let mut answers = store.append_in_turn(commands(version), now()).await.into_iter();
        for reached in [None, Some(version + 2), None, None, Some(version + 3)] {
            match (answers.next().unwrap().unwrap(), reached) {
                (Appended::Done(Ok(outcome)), Some(reached)) => assert_eq!(outcome.version, reached),
                (Appended::Done(Err(refused)), None) => assert_eq!(refused, broken()),
                (other, _) => panic!("{other:?}"),
            }
        }
    }
    // Decided on a stale state, the first is a conflict, and what follows it is nothing.
    let mut answers = store.append_in_turn(commands(5), now()).await.into_iter();
    assert_eq!(conflict(answers.next().unwrap()), 6);
    assert_eq!(baseless(answers), 4);
    assert_eq!(count(&store, "select count(*) from commands where refusal is not null").await, 6);
    assert_whole(&store).await;
}

#[tokio::test]
async fn what_the_database_cannot_take_harms_only_what_was_decided_on_it() {
    let database = TestDatabase::create().await;
    let store = open(&database);
    let mut commands = in_turn("wheel", 0, 6);
    commands[3].entries[0].events[0].payload = "no JSON".into();
    let beside = command(2, &[("beside", 0)], 1);
    let (answers, beside) = tokio::join!(store.append_in_turn(commands, now()), store.append(beside, now()));
    outcome(beside);
    let mut answers = answers.into_iter();
    for version in 1..=3 {
        assert_eq!(outcome(answers.next().unwrap()).version, version);
    }
    assert!(answers.next().unwrap().is_err());
    assert_eq!(baseless(answers), 2);
    assert_eq!(count(&store, "select count(*) from events").await, 4);
    assert_whole(&store).await;
}

/// Each event names the one that its command was decided on: what it follows in the log must be that one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_event_follows_the_one_that_its_command_was_decided_on() {
    const WRITERS: u64 = 12;
    let database = TestDatabase::create().await;
    let stores = [open(&database), open(&database)];
    let writers = (0..WRITERS).map(|writer| {
        let store = stores[writer as usize % 2].clone();
        tokio::spawn(async move {
            let mut draw = StdRng::seed_from_u64(writer);
            let mut used: Vec<Append> = Vec::new();
            for _ in 0..40 {
                let id = format!("wheel-{}", draw.random_range(0..3));
                let last = "select coalesce(max(sequence), 0),
                                   coalesce((array_agg(event_id order by sequence desc))[1], $2)
                            from events where aggregate_id = $1";
                let stream = format!("{}/{id}", workspace(1));
                let last = sqlx::query_as(last).bind(stream).bind(Uuid::nil());
                let (mut version, mut on): (i64, Uuid) = last.fetch_one(store.pool()).await.unwrap();
                let mut commands = Vec::new();
                for _ in 0..draw.random_range(1..=5) {
                    let mut append = command(1, &[(&id, version)], 1);
                    // Now and then one that was sent before: it may be known, and may not.
                    if draw.random_bool(0.2)
                        && let Some(before) = used.pop()
                    {
                        append.command_id = before.command_id;
                    }
                    let event = &mut append.entries[0].events[0];
                    event.payload = format!(r#"{{"on":"{on}"}}"#);
                    (version, on) = (version + 1, event.event_id);
                    used.push(again(&append));
                    commands.push(append);
                }
                for answer in store.append_in_turn(commands, now()).await {
                    assert!(!matches!(answer.unwrap(), Appended::Done(Err(_))), "nothing refuses");
                }
            }
        })
    });
    for writer in join_all(writers).await {
        writer.unwrap();
    }
    let others = "select count(*) from (
        select payload->>'on' as base,
               coalesce(lag(event_id) over (partition by aggregate_id order by sequence), $1) as before
        from events) e where base <> before::text";
    let others: i64 = sqlx::query_scalar(others).bind(Uuid::nil()).fetch_one(&database.pool).await.unwrap();
    assert_eq!(others, 0);
    let together =
        "select count(*) from (select from events group by recorded_at, aggregate_id having count(*) > 1) t";
    assert!(count(&stores[0], together).await > 20, "commands of one stream went together");
    assert_whole(&stores[0]).await;
}
