//! Shop: what is sold, in which forms and for how much, and how many of it came in.

use anyhow::bail;
use reqwest::Method;
use serde_json::{Value, json};

use super::client::{Answer, Client};

/// Where everything lies.
pub const LOCATION: &str = "MAIN";
/// Units that come in of each SKU.
const RECEIVED: i64 = 5_000_000;

/// A thing that is sold in several forms: its forms, and its price in US cents (euro cents are a tenth less).
pub struct Ware {
    code: &'static str,
    title: &'static str,
    pub forms: &'static [&'static str],
    pub cents: i64,
}

/// What the shop sells, best-sellers first.
pub const WARES: [Ware; 12] = [
    ware("TEE", "T-shirt", &["S", "M", "L", "XL"], 1990),
    ware("MUG", "Mug", &["WHITE", "BLUE"], 1250),
    ware("BOOK", "Notebook", &["A5", "A4"], 890),
    ware("SOCKS", "Socks", &["36-39", "40-43", "44-47"], 790),
    ware("TEA", "Green tea", &["100G", "250G"], 1180),
    ware("COFFEE", "Coffee beans", &["250G", "1KG"], 1450),
    ware("CAP", "Cap", &["BLACK", "SAND"], 2450),
    ware("BAG", "Tote bag", &["NATURAL"], 1600),
    ware("LAMP", "Desk lamp", &["BRASS", "BLACK"], 6900),
    ware("HOODIE", "Hoodie", &["S", "M", "L"], 5490),
    ware("CHAIR", "Chair", &["OAK", "ASH"], 18_900),
    ware("DESK", "Desk", &["OAK"], 64_900),
];

const fn ware(code: &'static str, title: &'static str, forms: &'static [&'static str], cents: i64) -> Ware {
    Ware { code, title, forms, cents }
}

impl Ware {
    pub fn sku(&self, form: usize) -> String {
        format!("{}-{}", self.code, self.forms[form])
    }

    fn product(&self) -> Value {
        let variant = |(n, form): (usize, &&str)| {
            json!({
                "sku": self.sku(n),
                "title": format!("{} {form}", self.title),
                "prices": [
                    { "amount": self.cents, "currency": "USD" },
                    { "amount": self.cents * 9 / 10, "currency": "EUR" },
                ],
                "attributes": { "form": form },
            })
        };
        let variants: Vec<Value> = self.forms.iter().enumerate().map(variant).collect();
        json!({ "title": self.title, "variants": variants })
    }
}

/// Sees to it that everything is on sale and in stock.
///
/// # Errors
/// If the platform does not take it.
pub async fn open(client: &Client) -> anyhow::Result<()> {
    for ware in &WARES {
        let made = client
            .command(
                Method::POST,
                "/api/ecommerce/products",
                &format!("product/{}", ware.code),
                &ware.product(),
            )
            .await?;
        match made {
            Answer::Done(_) => {}
            // Under another seed it was made before: its SKUs are taken, and in stock.
            Answer::Refused(code) if code.starts_with("sku/") => continue,
            Answer::Refused(code) => bail!("{} cannot be sold: {code}", ware.title),
        }
        for form in 0..ware.forms.len() {
            let sku = ware.sku(form);
            let path = format!("/api/ecommerce/stock/{sku}/{LOCATION}/receive");
            let body = json!({ "quantity": RECEIVED });
            if let Answer::Refused(code) =
                client.command(Method::POST, &path, &format!("stock/{sku}"), &body).await?
            {
                bail!("{sku} cannot be received: {code}");
            }
        }
    }
    Ok(())
}
