//! Terms in texts, beside looking for each of them at each word; and glossaries that change, beside those made anew.

use proptest::prelude::*;

use super::super::{TEXT_CHARS_MAX, TextError};
use super::*;

fn content(term: &str) -> TermContent {
    TermContent::new(&draft(term)).unwrap()
}

fn draft(term: &str) -> TermDraft<'_> {
    TermDraft { term, translation: "x", ..TermDraft::default() }
}

fn place(scope: Scope, pair: [Language; 2]) -> TermPlace {
    TermPlace { scope, pair: LanguagePair::new(pair[0], pair[1]).unwrap() }
}

fn project(name: &str) -> Scope {
    Scope::Project(ProjectId::new(name).unwrap())
}

const ENGLISH: [Language; 2] = [Language::ENGLISH, Language::FRENCH];
const FRENCH: [Language; 2] = [Language::FRENCH, Language::ENGLISH];

fn change(glossary: &mut Glossary, changes: impl IntoIterator<Item = TermChange>) -> Result<Staged, GlossaryError> {
    let staged = glossary.stage(changes, "ann", UnixMillis(0))?;
    glossary.install(&staged);
    Ok(staged)
}

/// A glossary of drafts, numbered as they stand there, in English or French.
fn glossary<'a>(pair: [Language; 2], drafts: impl IntoIterator<Item = TermDraft<'a>>) -> Glossary {
    let mut glossary = Glossary::new(1_000);
    let contents = drafts.into_iter().map(|draft| TermContent::new(&draft).unwrap());
    let changes = contents.map(|content| TermChange::Put(place(Scope::Shared, pair), content));
    change(&mut glossary, changes).unwrap();
    glossary
}

fn found(glossary: &Glossary, project: Option<&ProjectId>, pair: [Language; 2], text: &str) -> Vec<(u64, String)> {
    let pair = LanguagePair::new(pair[0], pair[1]).unwrap();
    let found = glossary.inquire(project, pair).find(text).unwrap();
    found.into_iter().map(|found| (found.term.id.0, found.written.into())).collect()
}

fn check(pair: [Language; 2], terms: &[&str], text: &str, expected: &[(u64, &str)]) {
    let glossary = glossary(pair, terms.iter().map(|term| draft(term)));
    let expected: Vec<(u64, String)> = expected.iter().map(|&(term, text)| (term, text.to_owned())).collect();
    assert_eq!(found(&glossary, None, pair, text), expected, "{text}");
}

#[test]
fn english_words_and_their_endings() {
    let terms = ["incumbent", "order", "order in council", "plan", "policy"];
    let check = |text: &str, expected: &[(u64, &str)]| check(ENGLISH, &terms, text, expected);
    check("The Incumbent, and the incumbents' orders.", &[(0, "Incumbent"), (0, "incumbents'"), (1, "orders")]);
    check("the incumbent’s plan", &[(0, "incumbent's"), (3, "plan")]);
    check("an Order\u{A0}in  Council", &[(2, "Order in Council")]);
    check("order in councillor", &[(1, "order")]);
    check("a planet, a plane, reorder, orderly", &[]);
    check("plan-order", &[(3, "plan"), (1, "order")]);
    check("Policies, a policy's", &[(4, "Policies"), (4, "policy's")]);
}

#[test]
fn french_elision_gender_and_number() {
    let terms = ["employé", "agent principal", "chef d'équipe", "titulaire", "plan d'action régional"];
    let check = |text: &str, expected: &[(u64, &str)]| check(FRENCH, &terms, text, expected);
    check("l’employé, L'EMPLOYE\u{301}E, les employées", &[(0, "employé"), (0, "EMPLOYÉE"), (0, "employées")]);
    check("les agents principals et agents principal", &[(1, "agents principals"), (1, "agents principal")]);
    check("des chefs d’équipe", &[(2, "chefs d'équipe")]);
    check("une agente principale, le titulairement", &[]);
    check("plan d'action régionaux", &[(4, "plan d'action régionaux")]);
}

#[test]
fn case_variants_and_domains() {
    let drafts = [
        TermDraft { case_matters: true, ..draft("CAN") },
        TermDraft { variants: vec!["analyses", "analysis"], ..draft("analysis") },
        draft("GBA+"),
        TermDraft { domain: Some("money"), ..draft("bank") },
        TermDraft { domain: Some("rivers"), ..draft("bank") },
    ];
    let glossary = glossary(ENGLISH, drafts);
    let written = |text: &str| -> Vec<String> {
        found(&glossary, None, ENGLISH, text).into_iter().map(|(term, text)| format!("{term} {text}")).collect()
    };
    let number = |term: &str, domain| {
        let mut terms = glossary.of_scope(&Scope::Shared).into_iter();
        terms.find(|known| known.content.term() == term && known.content.domain() == domain).unwrap().id.0
    };
    let of = |term: &str, text: &str| format!("{} {text}", number(term, None));
    assert_eq!(written("can CAN Can"), [of("CAN", "CAN")]);
    assert_eq!(written("GBA, GBA+ and gba+."), [of("GBA+", "GBA+"), of("GBA+", "gba+")]);
    assert_eq!(
        written("Analyses of an analysis; analysiss"),
        [of("analysis", "Analyses"), of("analysis", "analysis"), of("analysis", "analysiss"),]
    );
    let mut both = [number("bank", Some("money")), number("bank", Some("rivers"))];
    both.sort_unstable();
    assert_eq!(written("Banks"), both.map(|term| format!("{term} Banks")));
}

#[test]
fn what_cannot_be_looked_through() {
    let glossary = glossary(ENGLISH, [draft("a")]);
    let pair = LanguagePair::new(ENGLISH[0], ENGLISH[1]).unwrap();
    let find = |text: &str| glossary.inquire(None, pair).find(text).map(|found| found.len());
    assert_eq!(find("a"), Ok(1));
    assert_eq!(find(" "), Err(TextError::Empty));
    assert_eq!(find(&"a".repeat(TEXT_CHARS_MAX + 1)), Err(TextError::TooLong));
    assert_eq!(find(&"a ".repeat(8 * TEXT_CHARS_MAX)), Err(TextError::TooLong));
    assert_eq!(found(&glossary, None, FRENCH, "a"), []);
}

#[test]
fn a_projects_terms_come_before_those_that_all_share() {
    let mut glossary = Glossary::new(1_000);
    let put = |scope, draft: &TermDraft<'_>| TermChange::Put(place(scope, ENGLISH), TermContent::new(draft).unwrap());
    let of = |translation| TermDraft { translation, ..draft("incumbent") };
    change(&mut glossary, [put(Scope::Shared, &of("titulaire")), put(Scope::Shared, &draft("order"))]).unwrap();
    change(&mut glossary, [put(project("hr"), &of("occupant")), put(project("hr"), &draft("rank order"))]).unwrap();
    change(&mut glossary, [put(project("other"), &of("responsable"))]).unwrap();
    let terms = |project: Option<&str>| {
        let project = project.map(|name| ProjectId::new(name).unwrap());
        let pair = LanguagePair::new(ENGLISH[0], ENGLISH[1]).unwrap();
        let found =
            glossary.inquire(project.as_ref(), pair).find("Orders of incumbents, rank order, incumbent").unwrap();
        let terms: Vec<(String, String)> =
            glossary_terms(&found).into_iter().map(|term| (term.term, term.translation)).collect();
        terms
    };
    let expected = |terms: &[(&str, &str)]| -> Vec<(String, String)> {
        terms.iter().map(|&(term, translation)| (term.to_owned(), translation.to_owned())).collect()
    };
    assert_eq!(terms(None), expected(&[("order", "x"), ("incumbent", "titulaire")]));
    assert_eq!(terms(Some("hr")), expected(&[("incumbent", "occupant"), ("rank order", "x"), ("order", "x")]));
    assert_eq!(terms(Some("none")), terms(None));
}

#[test]
fn what_is_missing_or_forbidden_is_warned_of() {
    let mandatory = |term, translation| TermDraft { mandatory: true, ..TermDraft { translation, ..draft(term) } };
    let glossary = glossary(
        ENGLISH,
        [
            TermDraft {
                accepted: vec!["personne titulaire"],
                forbidden: vec!["occupant", "personne"],
                ..mandatory("incumbent", "titulaire")
            },
            TermDraft { forbidden: vec!["occupant"], ..TermDraft { translation: "poste", ..draft("position") } },
            TermDraft { domain: Some("money"), ..mandatory("bank", "banque") },
            TermDraft { domain: Some("rivers"), ..mandatory("bank", "rive") },
        ],
    );
    let warnings = |source: &str, translated: &str| -> Vec<(TermFault, String, Option<String>)> {
        let pair = LanguagePair::new(ENGLISH[0], ENGLISH[1]).unwrap();
        let found = glossary.inquire(None, pair).find(source).unwrap();
        let warnings = check_terms(&found, translated).into_iter();
        warnings.map(|warning| (warning.fault, warning.expected, warning.found)).collect()
    };
    let missing = |expected: &str| (TermFault::MandatoryTermMissing, expected.to_owned(), None);
    let forbidden =
        |expected: &str, found: &str| (TermFault::ForbiddenTerm, expected.to_owned(), Some(found.to_owned()));
    assert_eq!(warnings("The incumbents", "Les Titulaires"), []);
    assert_eq!(warnings("The incumbent", "La personne titulaire"), [], "a part of what is accepted is not forbidden");
    assert_eq!(warnings("The incumbent", "Le responsable"), [missing("titulaire")]);
    assert_eq!(
        warnings("Incumbent", "L’occupante, les occupants"),
        [missing("titulaire"), forbidden("titulaire", "occupante"), forbidden("titulaire", "occupants"),]
    );
    assert_eq!(warnings("A position", "Un emploi"), [], "it is not mandatory");
    assert_eq!(warnings("A position", "Un occupant"), [forbidden("poste", "occupant")]);
    assert_eq!(warnings("Some text", "L'occupant"), []);
    assert_eq!(warnings("A bank", "Une rive"), []);
    assert_eq!(warnings("Banks, a bank", "Un banc").len(), 1, "once for both domains, and for both places");
}

#[test]
fn a_term_is_there_once_and_under_one_number() {
    let mut glossary = Glossary::new(4);
    let at = || place(Scope::Shared, ENGLISH);
    let put = |term: &str| TermChange::Put(at(), content(term));
    let staged = change(&mut glossary, [put("a"), put("b"), put("A")]).unwrap();
    assert_eq!((staged.put.len(), staged.created, glossary.len()), (2, 2, 2), "a term may be handed in twice at once");
    let mandatory = TermContent::new(&TermDraft { mandatory: true, ..draft("A") }).unwrap();
    let staged = change(&mut glossary, [TermChange::Put(at(), mandatory)]).unwrap();
    assert_eq!((staged.put[0].id, staged.put[0].content.term(), staged.created), (TermId(0), "A", 0));
    assert!(glossary.term(TermId(0)).unwrap().content.mandatory);
    let taken = change(&mut glossary, [TermChange::Replace(TermId(0), content("B"))]).unwrap_err();
    assert_eq!(taken, GlossaryError::Taken(TermId(1)));
    change(&mut glossary, [TermChange::Replace(TermId(0), content("c"))]).unwrap();
    assert_eq!(found(&glossary, None, ENGLISH, "a b c"), [(1, "b".to_owned()), (0, "c".to_owned())]);
    let many = TermContent::new(&TermDraft { variants: vec!["e", "f"], ..draft("d") }).unwrap();
    let full = change(&mut glossary, [put("g"), TermChange::Put(at(), many.clone())]).unwrap_err();
    assert_eq!((full, glossary.len()), (GlossaryError::Full, 2), "all or nothing");
    change(&mut glossary, [TermChange::Remove(TermId(1)), TermChange::Put(at(), many)]).unwrap();
    assert_eq!(change(&mut glossary, [put("h")]).unwrap_err(), GlossaryError::Full);
    for gone in [TermId(1), TermId(77)] {
        assert_eq!(change(&mut glossary, [TermChange::Remove(gone)]).unwrap_err(), GlossaryError::Unknown(gone));
        let replace = TermChange::Replace(gone, content("a"));
        assert_eq!(change(&mut glossary, [replace]).unwrap_err(), GlossaryError::Unknown(gone));
    }
    let all: Vec<TermChange> =
        glossary.of_scope(&Scope::Shared).iter().map(|term| TermChange::Remove(term.id)).collect();
    assert_eq!(change(&mut glossary, all).unwrap().removed.len(), 2);
    assert!(glossary.is_empty() && glossary.shelves.is_empty() && glossary.wordings == 0);
    let staged = glossary.stage([put("a")], "ann", UnixMillis(1_000)).unwrap();
    assert_eq!(staged.put[0].id, TermId(1_000), "no number is used again");
}

#[test]
fn terms_are_listed_by_what_is_wanted() {
    let drafts = [
        TermDraft { domain: Some("law"), ..draft("Order in Council") },
        TermDraft { variants: vec!["Élan"], ..draft("moose") },
        TermDraft { translation: "le bar", ..draft("bar") },
    ];
    let glossary = glossary(ENGLISH, drafts);
    let listed = |filter: TermFilter| -> Vec<String> {
        let terms = filter.choose(glossary.of_scope(&filter.scope)).into_iter();
        terms.map(|term| term.content.term().to_owned()).collect()
    };
    let all = TermFilter::default;
    assert_eq!(listed(all()), ["bar", "moose", "Order in Council"]);
    assert_eq!(listed(TermFilter { scope: project("hr"), ..all() }), [""; 0]);
    assert_eq!(listed(TermFilter { domain: Some("law".into()), ..all() }), ["Order in Council"]);
    assert_eq!(listed(TermFilter { text: Some("E\u{301}LA".into()), ..all() }), ["moose"]);
    assert_eq!(listed(TermFilter { text: Some("LE ".into()), ..all() }), ["bar"]);
    assert_eq!(listed(TermFilter { languages: [Some(Language::ENGLISH), None], ..all() }).len(), 3);
    assert_eq!(listed(TermFilter { languages: [Some(Language::FRENCH), None], ..all() }), [""; 0]);
    assert_eq!(listed(TermFilter { languages: [None, Some(Language::ENGLISH)], ..all() }), [""; 0]);
}

/// Looks for each term at each place; of no language's endings.
fn naively(terms: &[Term], text: &str) -> Vec<(u64, String)> {
    let written = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let lower = written.to_lowercase();
    let (mut expected, mut at) = (Vec::new(), 0);
    while at < lower.len() {
        let begins = !lower[..at].chars().next_back().is_some_and(char::is_alphanumeric);
        let length = |term: &Term| {
            let after = lower.get(at..)?.strip_prefix(term.content.term())?;
            (begins && !after.starts_with(char::is_alphanumeric)).then_some(term.content.term().len())
        };
        let scope = |term: &Term| term.place.scope.project().is_some();
        let Some(best) = terms.iter().filter_map(|term| Some((length(term)?, scope(term)))).max() else {
            at += lower[at..].chars().next().map_or(1, char::len_utf8);
            continue;
        };
        let mut equal: Vec<u64> = terms
            .iter()
            .filter(|term| length(term).is_some_and(|length| (length, scope(term)) == best))
            .map(|term| term.id.0)
            .collect();
        equal.sort_unstable();
        expected.extend(equal.into_iter().map(|term| (term, written[at..at + best.0].to_owned())));
        at += best.0;
    }
    expected
}

const CREE: fn() -> [Language; 2] = || [Language::of_tag("crk").unwrap(), Language::ENGLISH];

#[derive(Clone, Debug)]
enum Step {
    Put { of_project: bool, term: String, domain: bool },
    Replace { which: usize, term: String, domain: bool },
    Remove { which: usize },
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    let term = || "[abé]{1,2}( [abé]{1,2})?";
    prop_oneof![
        6 => (any::<bool>(), term(), any::<bool>())
            .prop_map(|(of_project, term, domain)| Step::Put { of_project, term, domain }),
        2 => (0..9_usize, term(), any::<bool>()).prop_map(|(which, term, domain)| Step::Replace { which, term, domain }),
        2 => (0..9_usize).prop_map(|which| Step::Remove { which }),
        1 => Just(Step::Restart),
    ]
}

fn of_domain(term: &str, domain: bool) -> TermContent {
    TermContent::new(&TermDraft { domain: domain.then_some("d"), ..draft(term) }).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    /// However a glossary came to be, it finds what is found by looking for each of its terms.
    #[test]
    fn it_finds_what_a_list_finds(
        steps in prop::collection::vec(prop::collection::vec(step(), 1..4), 1..12),
        texts in prop::collection::vec("[abéA' ]{0,24}", 1..4),
    ) {
        let (mut glossary, mut list) = (Glossary::new(1_000), Vec::<Term>::new());
        for step in steps.into_iter().flatten() {
            let which = |which: usize| list.get(which).map_or(TermId(u64::MAX), |term| term.id);
            let step = match step {
                Step::Put { of_project, term, domain } => {
                    let scope = if of_project { project("hr") } else { Scope::Shared };
                    TermChange::Put(place(scope, CREE()), of_domain(&term, domain))
                }
                Step::Replace { which: number, term, domain } =>
                    TermChange::Replace(which(number), of_domain(&term, domain)),
                Step::Remove { which: number } => TermChange::Remove(which(number)),
                Step::Restart => {
                    let (loaded, left_out) = Glossary::load(list.iter().cloned(), 1_000);
                    prop_assert_eq!(left_out, 0);
                    glossary = loaded;
                    continue;
                }
            };
            let is_of = |term: &Term, other: &TermPlace, content: &TermContent| {
                term.place == *other && (term.content.term(), term.content.domain()) == (content.term(), content.domain())
            };
            let possible = match &step {
                TermChange::Put(..) => true,
                TermChange::Remove(id) => list.iter().any(|term| term.id == *id),
                TermChange::Replace(id, content) => list.iter().find(|term| term.id == *id).is_some_and(|known| {
                    !list.iter().any(|term| term.id != *id && is_of(term, &known.place, content))
                }),
            };
            let staged = change(&mut glossary, [step]);
            prop_assert_eq!(staged.is_ok(), possible);
            if let Ok(staged) = staged {
                list.retain(|term| !staged.removed.iter().chain(&staged.put).any(|changed| changed.id == term.id));
                list.extend(staged.put.iter().map(|term| Term::clone(term)));
            }
            prop_assert_eq!(glossary.len(), list.len());
        }
        let hr = ProjectId::new("hr").unwrap();
        for text in texts.iter().filter(|text| !text.trim().is_empty()) {
            prop_assert_eq!(found(&glossary, Some(&hr), CREE(), text), naively(&list, text), "{:?}", text);
            let shared: Vec<Term> = list.iter().filter(|term| term.place.scope == Scope::Shared).cloned().collect();
            prop_assert_eq!(found(&glossary, None, CREE(), text), naively(&shared, text), "{:?}", text);
        }
        prop_assert_eq!(glossary.wordings, list.len());
    }

    #[test]
    fn nothing_panics(terms in prop::collection::vec(any::<String>(), 0..4), text in any::<String>(), case_matters: bool) {
        for pair in [ENGLISH, FRENCH] {
            let drafts = terms.iter().map(|term| TermDraft { case_matters, translation: term, ..draft(term) });
            let drafts: Vec<_> = drafts.filter(|draft| TermContent::new(draft).is_ok()).collect();
            let glossary = glossary(pair, drafts);
            let pair = LanguagePair::new(pair[0], pair[1]).unwrap();
            for text in terms.iter().chain([&text]) {
                if let Ok(found) = glossary.inquire(None, pair).find(text) {
                    drop((glossary_terms(&found), check_terms(&found, text)));
                }
            }
        }
    }
}
