//! What a product decides, arm by arm, and its events as they lie on disk.

use super::{ProductCommand as C, ProductEvent as E, ProductRefusal as No, *};
use crate::kernel::{Given, given};

fn sku(code: &str) -> Sku {
    code.parse().unwrap()
}

fn usd(amount: i64) -> Money {
    Money::new(amount, Currency::USD)
}

fn eur(amount: i64) -> Money {
    Money::new(amount, Currency::EUR)
}

fn shirt(code: &str) -> Variant {
    Variant {
        sku: sku(code),
        title: "Medium".into(),
        prices: vec![eur(900), usd(1000)],
        attributes: [("size".to_owned(), "M".to_owned())].into(),
    }
}

fn create(title: &str, variants: Vec<Variant>) -> C {
    C::Create { title: title.into(), description: None, variants }
}

fn created() -> E {
    E::Created { title: "Shirt".into(), description: None, variants: vec![shirt("shirt-m")] }
}

fn product() -> Given<Product> {
    given([created()])
}

/// Why it takes no such variant, neither added nor from the beginning.
fn refused(variant: Variant) -> No {
    let added = product().when(C::AddVariant(variant.clone())).unwrap_err();
    let created = given::<Product>([]).when(create("Shirt", vec![variant])).unwrap_err();
    assert_eq!(added, created);
    added
}

#[test]
fn is_created_once_however_often_it_is_asked() {
    let variants = vec![shirt("shirt-m")];
    assert_eq!(given::<Product>([]).when(create("Shirt", variants.clone())), Ok(vec![created()]));
    assert_eq!(product().when(create("Shirt", variants.clone())), Ok(vec![]));
    assert_eq!(product().when(create("Shorts", variants.clone())), Err(No::AlreadyCreated));
    assert_eq!(product().when(create("Shirt", vec![])), Err(No::AlreadyCreated));
    assert_eq!(product().when(create("Shirt", vec![shirt("shirt-l")])), Err(No::AlreadyCreated));
    let described = C::Create { title: "Shirt".into(), description: Some("Blue".into()), variants };
    assert_eq!(product().when(described), Err(No::AlreadyCreated));
}

#[test]
fn may_begin_without_variants() {
    let bare = E::Created { title: "Shirt".into(), description: None, variants: vec![] };
    assert_eq!(given::<Product>([]).when(create("Shirt", vec![])), Ok(vec![bare]));
}

#[test]
fn does_nothing_before_it_exists() {
    for command in [
        C::Rename { title: "Shirt".into() },
        C::Describe { description: None },
        C::AddVariant(shirt("shirt-m")),
        C::RemoveVariant { sku: sku("shirt-m") },
        C::SetPrice { sku: sku("shirt-m"), price: usd(1) },
        C::RemovePrice { sku: sku("shirt-m"), currency: Currency::USD },
        C::Archive,
        C::Restore,
    ] {
        assert_eq!(given::<Product>([]).when(command), Err(No::Unknown));
    }
    assert!(!Product::default().is_on_sale());
}

#[test]
fn has_a_title_of_one_to_two_hundred_characters() {
    for bad in ["", " ", &"é".repeat(201)] {
        assert_eq!(given::<Product>([]).when(create(bad, vec![])), Err(No::BadTitle));
        assert_eq!(product().when(C::Rename { title: bad.into() }), Err(No::BadTitle));
        assert_eq!(refused(Variant { title: bad.into(), ..shirt("shirt-l") }), No::BadTitle);
    }
    let title = "é".repeat(200);
    assert_eq!(product().when(C::Rename { title: title.clone() }), Ok(vec![E::Renamed { title }]));
    assert_eq!(product().when(C::Rename { title: "Shirt".into() }), Ok(vec![]));
    assert_eq!(product().and(C::Rename { title: "Shorts".into() }).0.title(), Some("Shorts"));
}

#[test]
fn is_described_in_at_most_ten_thousand_bytes() {
    let describe = |length| C::Describe { description: Some("x".repeat(length)) };
    assert_eq!(product().when(describe(10_001)), Err(No::BadDescription));
    let long = Some("x".repeat(10_001));
    let command = C::Create { title: "Shirt".into(), description: long, variants: vec![] };
    assert_eq!(given::<Product>([]).when(command), Err(No::BadDescription));

    let described = product().and(describe(10_000));
    assert_eq!(described.when(describe(10_000)), Ok(vec![]));
    let plain = C::Describe { description: None };
    assert_eq!(described.when(plain.clone()), Ok(vec![E::Described { description: None }]));
    assert_eq!(described.and(plain.clone()).when(plain), Ok(vec![]));
}

#[test]
fn a_sku_names_one_variant_of_it() {
    let twice = vec![shirt("shirt-m"), shirt("shirt-l"), shirt("shirt-m")];
    assert_eq!(given::<Product>([]).when(create("Shirt", twice)), Err(No::DuplicateSku(sku("shirt-m"))));

    let large = E::VariantAdded(shirt("shirt-l"));
    assert_eq!(product().when(C::AddVariant(shirt("shirt-l"))), Ok(vec![large]));
    assert_eq!(product().when(C::AddVariant(shirt("shirt-m"))), Ok(vec![]));
    let other = Variant { prices: vec![], ..shirt("shirt-m") };
    assert_eq!(product().when(C::AddVariant(other)), Err(No::VariantExists(sku("shirt-m"))));
}

#[test]
fn a_variant_can_be_removed_and_added_anew() {
    let remove = C::RemoveVariant { sku: sku("shirt-m") };
    assert_eq!(product().when(remove.clone()), Ok(vec![E::VariantRemoved { sku: sku("shirt-m") }]));
    let bare = product().and(remove.clone());
    assert_eq!(bare.0.variant(&sku("shirt-m")), None);
    assert_eq!(bare.when(remove), Ok(vec![]));
    assert_eq!(bare.when(C::AddVariant(shirt("shirt-m"))), Ok(vec![E::VariantAdded(shirt("shirt-m"))]));
}

#[test]
fn has_at_most_two_hundred_variants() {
    let variants = |count| (0..count).map(|i| shirt(&format!("shirt-{i}"))).collect::<Vec<_>>();
    assert_eq!(given::<Product>([]).when(create("Shirt", variants(201))), Err(No::TooManyVariants));
    let full = given::<Product>([]).and(create("Shirt", variants(200)));
    assert_eq!(full.when(C::AddVariant(shirt("one-more"))), Err(No::TooManyVariants));
}

#[test]
fn prices_are_one_per_currency_and_kept_in_its_order() {
    let shuffled = Variant { prices: vec![usd(1000), eur(900)], ..shirt("shirt-l") };
    assert_eq!(product().when(C::AddVariant(shuffled)), Ok(vec![E::VariantAdded(shirt("shirt-l"))]));
    let doubled = Variant { prices: vec![usd(1), eur(1), usd(2)], ..shirt("shirt-l") };
    assert_eq!(refused(doubled), No::DuplicatePrice(Currency::USD));
    let many = Variant { prices: vec![usd(1); 51], ..shirt("shirt-l") };
    assert_eq!(refused(many), No::TooManyPrices);
}

#[test]
fn a_price_may_be_nothing_but_not_less() {
    assert_eq!(
        refused(Variant { prices: vec![eur(1), usd(-1)], ..shirt("shirt-l") }),
        No::NegativePrice(usd(-1))
    );
    let set = |price| C::SetPrice { sku: sku("shirt-m"), price };
    assert_eq!(product().when(set(usd(-1))), Err(No::NegativePrice(usd(-1))));
    assert_eq!(product().when(set(usd(0))), Ok(vec![E::PriceSet { sku: sku("shirt-m"), price: usd(0) }]));
}

#[test]
fn a_price_is_set_in_its_own_currency() {
    let set = |price| C::SetPrice { sku: sku("shirt-m"), price };
    let priced = product().and(set(usd(1200))).and(set(Money::new(1500, Currency::JPY)));
    let variant = priced.0.variant(&sku("shirt-m")).unwrap();
    assert_eq!(variant.prices, [eur(900), Money::new(1500, Currency::JPY), usd(1200)]);
    assert_eq!(variant.price(Currency::USD), Some(usd(1200)));
    assert_eq!(priced.when(set(usd(1200))), Ok(vec![]));
    let unknown = C::SetPrice { sku: sku("shirt-xl"), price: usd(1) };
    assert_eq!(priced.when(unknown), Err(No::UnknownVariant(sku("shirt-xl"))));
}

#[test]
fn a_price_can_be_removed() {
    let remove = |code: &str| C::RemovePrice { sku: sku(code), currency: Currency::USD };
    let gone = E::PriceRemoved { sku: sku("shirt-m"), currency: Currency::USD };
    assert_eq!(product().when(remove("shirt-m")), Ok(vec![gone]));
    let euros_only = product().and(remove("shirt-m"));
    assert_eq!(euros_only.0.variant(&sku("shirt-m")).unwrap().prices, [eur(900)]);
    assert_eq!(euros_only.when(remove("shirt-m")), Ok(vec![]));
    assert_eq!(product().when(remove("shirt-xl")), Err(No::UnknownVariant(sku("shirt-xl"))));
}

#[test]
fn has_at_most_fifty_prices_in_a_variant() {
    let currencies = ('A'..='Z').flat_map(|a| ('A'..='Z').map(move |b| (a, b)));
    let prices: Vec<Money> = currencies
        .flat_map(|(a, b)| ('A'..='Z').filter_map(move |c| format!("{a}{b}{c}").parse().ok()))
        .filter(|&currency| currency != Currency::USD)
        .map(|currency| Money::new(1, currency))
        .take(50)
        .collect();
    assert_eq!(prices.len(), 50);
    let full = given::<Product>([]).and(create("Shirt", vec![Variant { prices, ..shirt("shirt-m") }]));
    let one_more = C::SetPrice { sku: sku("shirt-m"), price: usd(1) };
    assert_eq!(full.when(one_more), Err(No::TooManyPrices));
}

#[test]
fn attributes_are_few_and_short() {
    let with = |attributes| Variant { attributes, ..shirt("shirt-l") };
    let one = |name: String, value: String| BTreeMap::from([(name, value)]);
    assert_eq!(refused(with(one(String::new(), "M".into()))), No::BadAttributes);
    assert_eq!(refused(with(one("x".repeat(51), "M".into()))), No::BadAttributes);
    assert_eq!(refused(with(one("size".into(), "x".repeat(201)))), No::BadAttributes);
    assert_eq!(refused(with((0..51).map(|i| (i.to_string(), String::new())).collect())), No::BadAttributes);
    assert!(product().when(C::AddVariant(with(one("é".repeat(50), "é".repeat(200))))).is_ok());
}

#[test]
fn changes_no_more_while_it_is_archived() {
    assert!(product().0.is_on_sale());
    assert_eq!(product().when(C::Archive), Ok(vec![E::Archived]));
    assert_eq!(product().when(C::Restore), Ok(vec![]));
    let archived = product().and(C::Archive);
    assert!(!archived.0.is_on_sale());
    assert_eq!(archived.when(C::Archive), Ok(vec![]));
    for command in [
        C::Rename { title: "Shorts".into() },
        C::Describe { description: Some("Blue".into()) },
        C::AddVariant(shirt("shirt-l")),
        C::RemoveVariant { sku: sku("shirt-m") },
        C::SetPrice { sku: sku("shirt-m"), price: usd(1) },
        C::RemovePrice { sku: sku("shirt-m"), currency: Currency::USD },
    ] {
        assert_eq!(archived.when(command), Err(No::Archived));
    }
    assert_eq!(archived.when(C::Restore), Ok(vec![E::Restored]));
    assert!(archived.and(C::Restore).0.is_on_sale());
}

#[test]
fn says_what_sort_of_no_it_is() {
    for missing in [No::Unknown, No::UnknownVariant(sku("a"))] {
        assert_eq!(missing.kind(), Kind::Missing);
    }
    for conflict in [No::AlreadyCreated, No::VariantExists(sku("a")), No::Archived] {
        assert_eq!(conflict.kind(), Kind::Conflict);
    }
    for invalid in [
        No::TooManyVariants,
        No::BadTitle,
        No::BadDescription,
        No::DuplicateSku(sku("a")),
        No::NegativePrice(usd(-1)),
        No::DuplicatePrice(Currency::USD),
        No::TooManyPrices,
        No::BadAttributes,
    ] {
        assert_eq!(invalid.kind(), Kind::Invalid);
    }
    assert_eq!(No::UnknownVariant(sku("a")).as_ref(), "unknown_variant");
}

#[test]
fn its_events_on_disk() {
    let plain = Variant { prices: vec![], attributes: BTreeMap::new(), ..shirt("shirt-s") };
    let blue = E::Created { title: "Shirt".into(), description: Some("Blue".into()), variants: vec![plain] };
    for (event, json) in [
        (
            created(),
            r#"{"type":"Created","title":"Shirt","variants":[{"sku":"shirt-m","title":"Medium","prices":[{"amount":900,"currency":"EUR"},{"amount":1000,"currency":"USD"}],"attributes":{"size":"M"}}]}"#,
        ),
        (
            blue,
            r#"{"type":"Created","title":"Shirt","description":"Blue","variants":[{"sku":"shirt-s","title":"Medium","prices":[]}]}"#,
        ),
        (E::Renamed { title: "Shorts".into() }, r#"{"type":"Renamed","title":"Shorts"}"#),
        (E::Described { description: Some("Blue".into()) }, r#"{"type":"Described","description":"Blue"}"#),
        (E::Described { description: None }, r#"{"type":"Described"}"#),
        (
            E::VariantAdded(shirt("shirt-m")),
            r#"{"type":"VariantAdded","sku":"shirt-m","title":"Medium","prices":[{"amount":900,"currency":"EUR"},{"amount":1000,"currency":"USD"}],"attributes":{"size":"M"}}"#,
        ),
        (E::VariantRemoved { sku: sku("shirt-m") }, r#"{"type":"VariantRemoved","sku":"shirt-m"}"#),
        (
            E::PriceSet { sku: sku("shirt-m"), price: usd(5) },
            r#"{"type":"PriceSet","sku":"shirt-m","price":{"amount":5,"currency":"USD"}}"#,
        ),
        (
            E::PriceRemoved { sku: sku("shirt-m"), currency: Currency::USD },
            r#"{"type":"PriceRemoved","sku":"shirt-m","currency":"USD"}"#,
        ),
        (E::Archived, r#"{"type":"Archived"}"#),
        (E::Restored, r#"{"type":"Restored"}"#),
    ] {
        assert_eq!(serde_json::to_string(&event).unwrap(), json);
        assert_eq!(serde_json::from_str::<E>(json).unwrap(), event);
    }
}
