//! The templates of messages: what is refused at the start and how it is named, what a host can replace, and what the
//! built-in ones look like.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod common;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use common::{Directory, Server, Value, run};

/// A folder with these files.
fn folder(directory: &Directory, files: &[(&str, &str)]) -> PathBuf {
    let folder = directory.path().join("templates");
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir(&folder).unwrap();
    for (name, text) in files {
        fs::write(folder.join(name), text).unwrap();
    }
    folder
}

/// The sentence with which the server refuses a folder at its start.
fn refusal(directory: &Directory, folder: &Path) -> String {
    let arguments = ["--listen", "127.0.0.1:0", "--templates", folder.to_str().unwrap()];
    let refused = run(directory.path(), &arguments);
    let said = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(!directory.path().join("countersign.db").exists(), "it is refused before anything else is done");
    said.strip_prefix("countersign-server: --templates: ").expect("the option is named").trim_end().to_owned()
}

/// H10: a template without the code, or with a name that has no value, would only be noticed by the user who waits.
#[test]
fn a_template_that_could_lose_the_code_is_refused_at_the_start_by_file_and_placeholder() {
    let directory = Directory::new();
    for (name, text, said) in [
        (
            "confirm.txt",
            "Your code is {{ Code }}",
            "confirm.txt uses {{ Code }}, which does not exist there; what does: code, ",
        ),
        ("confirm.txt", "Your code", "confirm.txt does not show the code: put {{ code }} where it belongs"),
        ("confirm.txt", "Your code is {code}", "confirm.txt does not show the code"),
        ("authenticate.html", "<p>Your code</p>", "authenticate.html does not show the code"),
        (
            "authenticate.html",
            "{% extends \"layout.html\" %}{{ code }}",
            "authenticate.html does not show the code",
        ),
        ("confirm.txt", "{% if minutes > 2 %}{{ code }}{% endif %}", "confirm.txt does not show the code"),
        ("confirm.txt", "{{ code }", "confirm.txt, line 1: "),
        ("confirm.txt", "{{ code }} {{ minutes", "confirm.txt, line 1: "),
        ("confirm.txt", "{{ code }} minutes }}", "confirm.txt has }} without its counterpart"),
        ("confirm.html", "<b>{{ code }}</b> minutes }}", "confirm.html has }} without its counterpart"),
        ("confirm.txt", "{{ code }}\n{% if minutes %}", "confirm.txt, line 2: "),
        ("confirm.txt", "{{ code }} {{ minutes | plurall(other=\"x\") }}", "confirm.txt, line 1: "),
        (
            "confirm.txt",
            "{{ code }} {{ minutes | plural(one=\"x\") }}",
            "confirm.txt, line 1: plural needs the form \"other\"",
        ),
        (
            "confirm.txt",
            "{{ code }} {{ minutes | plural(othr=\"x\", other=\"y\") }}",
            "confirm.txt, line 1: ",
        ),
        ("confirm.txt", "{% include \"footer.txt\" %}{{ code }}", "confirm.txt, line 1: "),
        (
            "confirm.subject",
            "{{ code }} is your code",
            "confirm.subject uses {{ code }}: a subject shows on locked screens",
        ),
        ("sign-up.txt", "{{ code }}", "sign-up.txt does not show the link: put {{ link }} where it belongs"),
        ("reset.html", "<a href=\"{{ link }}\">", "reset.html does not show the code"),
        ("reset.subject", "{{ link }}", "reset.subject uses {{ link }}: a subject shows on locked screens"),
        ("confirm.txt", "{{ code }} {{ link }}", "confirm.txt uses {{ link }}, which does not exist there"),
        ("confirm.subject", "Your\ncode", "confirm.subject has more than one line"),
        (
            "notify.subject",
            "{% if kind == \"added\" %}Added{% endif %}",
            "notify.subject is empty (tried with notify-removed)",
        ),
        (
            "notify.txt",
            "{{ event }}",
            "notify.txt uses {{ event }}, which does not exist there; what does: kind, when, ",
        ),
        ("notify.txt", "{{ code }}", "notify.txt uses {{ code }}, which does not exist there"),
        ("notify.txt", "Changed: {{ address }}", "notify.txt, line 1: `address` is undefined"),
        (
            "notify.html",
            "<p>{{ service | safe }}</p>",
            "notify.html fills {{ service }} in without escaping it",
        ),
        (
            "layout.html",
            "<p>{{ code }}</p>{% block content %}{% endblock %}",
            "layout.html uses {{ code }}, which does not exist there",
        ),
        ("layout.html", "<p>{% block content %}</p>", "layout.html, line 1: "),
    ] {
        let refused = refusal(&directory, &folder(&directory, &[(name, text)]));
        assert!(refused.starts_with(said), "{name}: {text}\n{refused}");
    }
}

/// H10: a file whose name is mistyped would be passed over, and the built-in template used without a word.
#[test]
fn a_file_that_is_no_template_is_refused_by_its_name() {
    let directory = Directory::new();
    for name in [
        "conform.txt",
        "confirm.text",
        "Confirm.txt",
        "confirm",
        "confirm.txt~",
        "confirm.txt.bak",
        "confirm.de_AT.txt",
        "confirm..txt",
        "confirm.und.txt",
        "README.md",
        "layout.de.html",
        "notify.added.html",
    ] {
        let refused = refusal(&directory, &folder(&directory, &[(name, "{{ code }}")]));
        assert!(refused.starts_with(&format!("{name} is not the name of a template: ")), "{refused}");
    }
    // As a volume that Kubernetes makes of a ConfigMap has them.
    let hidden = folder(&directory, &[(".gitkeep", ""), ("confirm.txt", "{{ code }}")]);
    fs::create_dir(hidden.join("..data")).unwrap();
    let done =
        run(directory.path(), &["templates", "render", "out", "--templates", hidden.to_str().unwrap()]);
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}

#[test]
fn a_file_that_cannot_be_read_is_refused_by_its_name() {
    let directory = Directory::new();
    let folder = folder(&directory, &[]);
    let refused = |text: &[u8]| {
        fs::write(folder.join("confirm.txt"), text).unwrap();
        refusal(&directory, &folder)
    };
    assert_eq!(refused(b"caf\xe9 {{ code }}"), "confirm.txt is not UTF-8: look at byte 3");
    assert_eq!(refused(&b"\xff\xfe{\0{\0"[..]), "confirm.txt is not UTF-8: look at byte 0");
    assert_eq!(refused(&[b'a'; 102_401]), "confirm.txt is larger than 102400 bytes");
    fs::remove_file(folder.join("confirm.txt")).unwrap();
    fs::create_dir(folder.join("confirm.txt")).unwrap();
    assert!(refusal(&directory, &folder).starts_with("confirm.txt cannot be read: "));
    let missing = directory.path().join("missing");
    assert!(refusal(&directory, &missing).contains("missing cannot be read: "));
    fs::remove_dir(folder.join("confirm.txt")).unwrap();
    // Only root reads it all the same.
    fs::write(folder.join("confirm.txt"), "{{ code }}").unwrap();
    fs::write(folder.join("confirm.en.txt"), "{{ code }}").unwrap();
    assert_eq!(
        refusal(&directory, &folder),
        "confirm.en.txt and confirm.txt are both for confirm.en.txt: remove one of them"
    );
}

/// H10: white space in a placeholder is as good as none; H12: the word follows the number.
#[test]
fn templates_are_replaced_file_by_file_and_white_space_in_them_does_not_count() {
    let directory = Arc::new(Directory::new());
    let folder = folder(
        &directory,
        &[
            ("confirm.subject", "Hello from {{service}}\n"),
            (
                "confirm.txt",
                "\u{feff}{{code}} {{ code }} {{   code\n}}\r\n{{ minutes | plural(one=\"minute\", other=\"minutes\") }}\r\n",
            ),
        ],
    );
    let arguments = [
        "--policy",
        "auth0",
        "--service-name",
        "<b>Ben & Jerry</b>",
        "--templates",
        folder.to_str().unwrap(),
    ];
    let server = Server::start_in(&directory, &arguments);
    server.associate(&server.mfa_token(), "user@example.com");
    common::eventually("mail", || server.get("/mailbox").body[0]["text"].as_str().map(str::to_owned));
    let message: Value = server.get("/mailbox").body[0].clone();
    let text = message["text"].as_str().unwrap();
    let code = &text[..6];
    assert_eq!(message["subject"], "Hello from <b>Ben & Jerry</b>");
    assert_eq!(text, format!("{code} {code} {code}\r\nminutes\n"));
    let html = message["html"].as_str().unwrap();
    assert!(html.starts_with("<!doctype html>") && html.contains(code), "the built-in one: {html}");
    assert!(html.contains("&lt;b&gt;Ben &amp; Jerry&lt;") && !html.contains("<b>Ben"), "{html}");
}

#[test]
fn a_preview_has_every_message_and_what_is_exported_is_taken_back() {
    let directory = Directory::new();
    let run = |arguments: &[&str]| {
        let done = run(directory.path(), arguments);
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    let files = |folder: &str| {
        let read = |path: PathBuf| {
            (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(&path).unwrap())
        };
        let mut files: Vec<_> = fs::read_dir(directory.path().join(folder))
            .unwrap()
            .map(|file| read(file.unwrap().path()))
            .collect();
        files.sort();
        files
    };
    run(&["templates", "render", "before", "--service-name", "Example"]);
    run(&["templates", "export", "own"]);
    run(&["templates", "render", "after", "--service-name", "Example", "--templates", "own"]);
    assert_eq!(files("before"), files("after"));
    let again = common::run(directory.path(), &["templates", "export", "own"]);
    assert!(String::from_utf8_lossy(&again.stderr).contains("own/layout.html is there already"));
    assert_eq!(files("own").len(), 31);
    let names: BTreeSet<_> = files("before").into_iter().map(|(name, _)| name).collect();
    for kind in KINDS {
        for locale in ["en", "de"] {
            for part in ["subject", "txt", "html"] {
                assert!(names.contains(&format!("{kind}.{locale}.{part}")), "{kind}.{locale}.{part}");
            }
        }
    }
}

const KINDS: [&str; 15] = [
    "confirm",
    "authenticate",
    "sign-up",
    "reset",
    "notify-added",
    "notify-removed",
    "notify-disabled",
    "notify-recovery-used",
    "notify-recovery-regenerated",
    "notify-recovery-guessed",
    "notify-hardened",
    "notify-locked",
    "notify-device-forgotten",
    "notify-unlocked",
    "notify-reset",
];

/// Every message says what happened in its subject, names the service, and tells people who did not ask what to do.
#[test]
fn the_built_in_messages_say_what_they_are_about() {
    let directory = Directory::new();
    let done = run(directory.path(), &["templates", "render", "out", "--service-name", "Example <Shop>"]);
    assert!(done.status.success());
    let read = |name: &str| fs::read_to_string(directory.path().join("out").join(name)).unwrap();
    for (locale, stranger) in [("en", "If "), ("de", "Falls ")] {
        let subjects: BTreeSet<_> =
            KINDS.iter().map(|kind| read(&format!("{kind}.{locale}.subject"))).collect();
        assert_eq!(subjects.len(), KINDS.len(), "one subject for each kind: {subjects:?}");
        for kind in KINDS {
            let subject = read(&format!("{kind}.{locale}.subject"));
            let (text, html) =
                (read(&format!("{kind}.{locale}.txt")), read(&format!("{kind}.{locale}.html")));
            assert!((10..=60).contains(&subject.trim().chars().count()), "{subject}");
            assert!(text.contains("Example <Shop>") && text.contains("https://login.example.com/"), "{text}");
            assert!(text.lines().any(|line| line.contains(stranger)), "{text}");
            assert!(text.contains(" UTC") || kind == "x", "{text}");
            assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
            assert!(!text.contains("\n\n\n") && !text.contains("\" ") && !text.contains("{"), "{text}");
            assert!(html.contains("Example &lt;Shop&gt;") && !html.contains("<Shop"), "{html}");
            assert!(html.contains(&format!("<html lang=\"{locale}\">")), "{html}");
            for wanted in [
                "<meta charset=\"utf-8\">",
                "color-scheme",
                "<h1",
                &format!("<title>{}</title>", subject.trim()),
            ] {
                assert!(html.contains(wanted), "{wanted}: {html}");
            }
            // Nothing is loaded, and nothing is done but shown.
            for unwanted in ["<img", "<script", "src=", "url(", "<link", "<form"] {
                assert!(!html.contains(unwanted), "{unwanted}: {html}");
            }
        }
    }
    assert!(read("authenticate-long.en.txt").contains("\n    4938 1720 5566 0193 8472\n"), "groups of four");
    let hardened = read("notify-hardened.en.txt");
    assert!(hardened.contains("codes by email have 20 digits") && hardened.contains("four codes in a row"));
    assert!(read("confirm.en.txt").contains("valid for 5 minutes, until 14:05 UTC"));
    assert!(read("confirm-1.en.txt").contains("valid for 1 minute, until 14:01 UTC"));
    assert!(read("confirm.de.txt").contains("gilt 5 Minuten, bis 14:05 UTC"));
    assert!(read("confirm-1.de.txt").contains("gilt 1 Minute, bis 14:01 UTC"));
    assert!(read("notify-recovery-used-1.en.txt").contains("You have 1 recovery code left."));
    assert!(read("notify-recovery-used-0.en.txt").contains("no recovery codes left"));
    assert!(read("notify-locked.en.txt").contains("no codes are accepted until 15:00 UTC"));
    assert!(read("notify-locked-long.de.txt").contains("bis 26. November 2026 um 14:00 UTC"));
    assert!(read("notify-reset.de.txt").contains("Zeitpunkt: 25. November 2026 um 14:00 UTC"));
}
