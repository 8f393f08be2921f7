use super::super::channel::CHANNELS;
use super::*;

const SPANISH: Language = Language::Spanish { voseo: true };
const LANGUAGES: [Language; 3] = [SPANISH, Language::Spanish { voseo: false }, Language::English];

/// Words in neither language, so that the templates alone decide which one a text is in.
fn neutral() -> Material<'static> {
    Material {
        name: "Aurora 2025",
        message: Some("Lumina 360"),
        audience: Some("Kyoto"),
        description: Some("Aurora × Lumina"),
        url: Some("https://aurora.example/x"),
        forbidden: vec![],
    }
}

fn sample() -> Material<'static> {
    Material {
        name: "Campaña Verano 2025",
        message: Some("Refrescate este verano con nuestra nueva línea."),
        audience: Some("Jóvenes entre 18 y 30 años en Costa Rica."),
        description: Some("Promoción de productos refrescantes para temporada de verano."),
        url: Some("https://tienda.example/verano"),
        forbidden: vec![],
    }
}

fn every() -> impl Iterator<Item = (Channel, Language, Kind)> {
    CHANNELS.into_iter().flat_map(|channel| {
        LANGUAGES.into_iter().flat_map(move |language| Kind::ALL.map(|kind| (channel, language, kind)))
    })
}

fn written(material: &Material<'_>, (channel, language, kind): (Channel, Language, Kind)) -> String {
    write(material, &Wanted { channel, language, kind, max: channel.limit })
}

fn has_word(text: &str, words: &[&str]) -> bool {
    text.to_lowercase().split(|letter: char| !letter.is_alphabetic()).any(|word| words.contains(&word))
}

#[test]
fn every_piece_keeps_its_limit_and_speaks_its_language() {
    const SPANISH_WORDS: [&str; 18] = [
        "de",
        "la",
        "el",
        "es",
        "para",
        "con",
        "más",
        "ya",
        "aquí",
        "esto",
        "así",
        "llegó",
        "conocer",
        "ver",
        "publicitaria",
        "moderna",
        "guion",
        "hoy",
    ];
    const ENGLISH_WORDS: [&str; 14] = [
        "the", "is", "for", "with", "and", "here", "this", "more", "what", "you", "found", "see", "of", "to",
    ];
    for wanted in every() {
        // A dozen names come upon every template.
        for name in (0..12).map(|number| format!("Aurora {number}")) {
            let text = written(&Material { name: &name, ..neutral() }, wanted);
            let (spanish, english) = (has_word(&text, &SPANISH_WORDS), has_word(&text, &ENGLISH_WORDS));
            let is_spanish = wanted.1 != Language::English;
            assert_eq!((spanish, english), (is_spanish, !is_spanish), "{wanted:?}: {text}");
            assert!(text.chars().count() <= wanted.0.limit, "{wanted:?}: {text}");
            assert!(!text.contains(['{', '}']), "{wanted:?}: {text}");
            assert!(text.contains(&name), "{wanted:?}: {text}");
        }
    }
}

#[test]
fn every_piece_keeps_any_length_asked_for() {
    let long = "Año nuevo, ñandúes y 🎉 fiestas — ".repeat(15);
    let url = format!("https://tienda.example/{}", "a".repeat(300));
    let wordless = "界".repeat(400);
    let materials = [
        sample(),
        Material {
            name: "x",
            message: None,
            audience: None,
            description: None,
            url: None,
            forbidden: vec![],
        },
        Material { name: &cut(&long, 120), message: Some(&long), url: Some(&url), ..sample() },
        Material { name: "🎉", message: Some(&wordless), description: Some(&wordless), ..sample() },
    ];
    for wanted in every() {
        for material in &materials {
            for max in [20, 33, 40, 90, 100, 160, 500, 1_000] {
                let (channel, language, kind) = wanted;
                let max = max.min(channel.limit);
                let text = write(material, &Wanted { channel, language, kind, max });
                assert!(text.chars().count() <= max, "{wanted:?} {max}: {text}");
                assert!(!text.trim().is_empty(), "{wanted:?} {max}");
            }
        }
    }
}

#[test]
fn channels_have_their_own_marks() {
    for language in LANGUAGES {
        let of = |name: &str, material: &Material<'_>| {
            let channel = CHANNELS.into_iter().find(|channel| channel.name == name).unwrap();
            written(material, (channel, language, Kind::Text))
        };
        let sample = sample();
        assert!(of("instagram", &sample).contains("#Verano2025"));
        assert!(of("facebook", &sample).chars().count() <= 300);
        assert!(of("email", &sample).starts_with(['A', 'S']), "a subject line comes first");
        assert!(of("email", &sample).lines().next().unwrap().contains(": "));
        assert!(of("sms", &sample).contains("https://tienda.example/verano"));
        assert!(of("influencers", &sample).contains("Refrescate"));
        let long = "mensaje muy largo ".repeat(25);
        let url = format!("https://tienda.example/{}", "a".repeat(60));
        let sms = of("sms", &Material { message: Some(&long), url: Some(&url), ..sample });
        assert!(sms.contains("https://go.example/") && sms.contains('…'), "{sms}");
        assert!(sms.chars().count() <= 160);
    }
}

#[test]
fn people_are_addressed_as_their_country_does() {
    let web = CHANNELS[9];
    let write = |voseo| written(&sample(), (web, Language::Spanish { voseo }, Kind::Text));
    assert_ne!(write(true), write(false));
}

#[test]
fn another_template_avoids_forbidden_words() {
    for wanted in every() {
        let plain = written(&sample(), wanted);
        assert_eq!(plain, written(&sample(), wanted), "the same brief gives the same text");
    }
    let tiktok = (CHANNELS[2], SPANISH, Kind::Text);
    for word in ["POV", "final", "🔥"] {
        let text = written(&Material { forbidden: vec![word], ..sample() }, tiktok);
        assert!(!text.contains(word), "{text}");
    }
}

#[test]
fn values_are_not_taken_for_names() {
    let text = written(
        &Material { message: Some("{title} {url} {"), ..neutral() },
        (CHANNELS[0], SPANISH, Kind::Text),
    );
    assert!(text.contains("{title} {url} {"), "{text}");
}

#[test]
fn cutting_ends_at_a_word() {
    assert_eq!(cut("uno dos tres", 12), "uno dos tres");
    assert_eq!(cut("uno dos, tres", 10), "uno dos…");
    assert_eq!(cut("uno dos tres", 8), "uno dos…");
    assert_eq!(cut("ñññññññññ", 4), "ñññ…");
    assert_eq!(cut("abc", 0), "");
}

#[test]
fn titles_tags_and_phrases() {
    assert_eq!(title("Campaña  Verano 2025"), "Verano 2025");
    assert_eq!(title("Campaña"), "Campaña");
    assert_eq!(tag("verano en la playa"), Some("#VeranoEnLaPlaya".to_owned()));
    assert_eq!(tag("🎉"), None);
    assert_eq!(phrase("Jóvenes de 18."), "jóvenes de 18");
    assert_eq!(phrase("PYMES"), "PYMES");
    assert_eq!(sentence("¿Listos?"), "¿Listos?");
    let alt = alt_text(&sample(), Language::English, Kind::Image);
    assert!(alt.starts_with("Picture of the Verano 2025 campaign"), "{alt}");
}
