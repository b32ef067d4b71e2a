//! The API document: OpenAPI 3.1, made of the routes and what holds for all of them.
//!
//! What every operation shares is added here, once: problems, the key, the headers of commands.

mod flat;
mod named;
mod strict;

use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn, PathItem};
use utoipa::openapi::schema::{AdditionalProperties, ArrayItems, ObjectBuilder, SchemaType, Type};
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    Content, InfoBuilder, OpenApi, Ref, RefOr, Required, ResponseBuilder, Schema, SecurityRequirement,
};
use utoipa::{IntoParams, ToSchema};

use crate::answer::outcome_schemas;
use crate::problem::{FieldError, ProblemBody};

/// The name of the key's security scheme.
pub(crate) const KEY: &str = "api_key";
/// The name of the security scheme of what is a person's own.
const TOKEN: &str = "access_token";
/// Scopes that an operation uses only where the request asks for what takes them.
pub(crate) const OPTIONAL_SCOPES: &str = "x-optional-scopes";
const KEY_HEADER: &str = "Idempotency-Key";

/// Says of a command that adds to what is there that its key is required, as of all that make something new.
pub struct KeyRequired;

impl IntoParams for KeyRequired {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![key_header(true)]
    }
}

/// The document as it is kept and served: pretty, ending in a line break.
///
/// # Panics
/// If the document is not to be written as JSON.
#[must_use]
pub fn text(document: &OpenApi) -> String {
    let mut text = serde_json::to_string_pretty(document).expect("an API document is JSON");
    text.push('\n');
    text
}

/// A document with what holds for all routes.
pub fn completed(mut document: OpenApi) -> OpenApi {
    document.info = InfoBuilder::new()
        .title("Mewayz")
        .version("1")
        .description(Some(
            "Commands answer id, version and position. A list is read page by page with a cursor. \
             Everything that goes wrong is a problem (RFC 9457); programs match its `code`.",
        ))
        .build();
    let components = document.components.get_or_insert_default();
    let shared = [of::<ProblemBody>(), of::<FieldError>()];
    for (name, schema) in outcome_schemas().into_iter().chain(shared) {
        components.schemas.insert(name, schema);
    }
    let bearer = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("mw_<workspace>_<key>_<secret>")
        .description(Some(
            "An API key, or a person's access token for a workspace; it decides the workspace.",
        ));
    components.security_schemes.insert(KEY.into(), SecurityScheme::Http(bearer.build()).into());
    let token = HttpBuilder::new()
        .scheme(HttpAuthScheme::Bearer)
        .bearer_format("JWT")
        .description(Some("A person's access token, as signing in answers it; no API key."));
    components.security_schemes.insert(TOKEN.into(), SecurityScheme::Http(token.build()).into());
    for item in document.paths.paths.values_mut() {
        let PathItem { get, post, put, patch, delete, .. } = item;
        get.iter_mut().for_each(complete);
        [post, put, patch, delete].into_iter().flatten().for_each(|operation| {
            if is_open(operation) {
                // What another service tells, signed and with names of its own, is no command of a client.
                return complete(operation);
            }
            let creates = operation.responses.responses.contains_key("201");
            let parameters = operation.parameters.get_or_insert_default();
            let is_key = |named: &RefOr<Parameter>| matches!(named, RefOr::T(of) if of.name == KEY_HEADER);
            let key = (!parameters.iter().any(is_key)).then(|| key_header(creates));
            // What is not there yet has no version that anyone could have seen.
            let version = (!creates).then(version_header);
            parameters.extend(key.into_iter().chain(version).map(RefOr::T));
            complete(operation);
        });
    }
    named::document(&mut document);
    flat::document(&mut document);
    strict::document(&mut document);
    document
}

fn of<T: ToSchema>() -> (String, RefOr<Schema>) {
    (T::name().into_owned(), T::schema())
}

/// The schemas of all parameters.
fn parameters(document: &mut OpenApi) -> impl Iterator<Item = &mut RefOr<Schema>> {
    let operations = document.paths.paths.values_mut().flat_map(|item| {
        [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete]
            .into_iter()
            .flatten()
    });
    operations.flat_map(|operation| operation.parameters.iter_mut().flatten()).filter_map(|parameter| {
        match parameter {
            RefOr::T(parameter) => parameter.schema.as_mut(),
            RefOr::Ref(_) => None,
        }
    })
}

/// What a schema is made of, one level down.
fn children(schema: &mut Schema, each: &mut impl FnMut(&mut RefOr<Schema>)) {
    match schema {
        Schema::Object(object) => {
            object.properties.values_mut().for_each(&mut *each);
            if let Some(AdditionalProperties::RefOr(values)) = object.additional_properties.as_deref_mut() {
                each(values);
            }
        }
        Schema::Array(array) => {
            if let ArrayItems::RefOrSchema(items) = &mut array.items {
                each(items);
            }
        }
        Schema::OneOf(one) => one.items.iter_mut().for_each(each),
        Schema::AllOf(all) => all.items.iter_mut().for_each(each),
        Schema::AnyOf(any) => any.items.iter_mut().for_each(each),
        _ => {}
    }
}

/// Whether it asks for no key.
fn is_open(operation: &Operation) -> bool {
    operation.security.iter().flatten().any(|requirement| *requirement == SecurityRequirement::default())
}

fn complete(operation: &mut Operation) {
    if let (Some(tag), Some(name)) = (operation.tags.iter().flatten().next(), &operation.operation_id) {
        // Handlers of different capabilities have the same names: `issue`, `list`.
        operation.operation_id = Some(format!("{tag}_{name}"));
    }
    for parameter in operation.parameters.iter_mut().flatten() {
        if let RefOr::T(parameter) = parameter
            && parameter.parameter_in == ParameterIn::Path
        {
            // Without it there is no such path; one whose schema is named by hand is taken for one that may be left out.
            parameter.required = Required::True;
        }
    }
    for response in operation.responses.responses.values_mut() {
        if let RefOr::T(response) = response
            && response.description.is_empty()
        {
            // A response must have one; what it is of says what it shows.
            response.description = operation.summary.clone().unwrap_or_default();
        }
    }
    let problem = ResponseBuilder::new()
        .description("A problem: `status` and `code` say which.")
        .content("application/problem+json", Content::new(Some(Ref::from_schema_name("Problem"))))
        .build();
    operation.responses.responses.insert("default".into(), problem.into());
}

// No examples of headers: a key that is tried twice with different requests is refused, and so is a version that it
// was at when the example was written.

fn key_header(required: bool) -> Parameter {
    let what =
        "Your own name for this request: used again with the same request, it gets the first answer again.";
    header(KEY_HEADER, required, what, r"^[!#-\[\]-~]{1,255}$")
}

fn version_header() -> Parameter {
    let what = "The `ETag` you saw, as in `\"3\"`: the command is taken at that version, or not at all.";
    header("If-Match", false, what, r#"^("(0|[1-9][0-9]{0,17})"|\*)$"#)
}

fn header(name: &str, required: bool, what: &str, pattern: &str) -> Parameter {
    let schema = ObjectBuilder::new().schema_type(SchemaType::Type(Type::String)).pattern(Some(pattern));
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Header)
        .required(if required { Required::True } else { Required::False })
        .description(Some(what))
        .schema(Some(schema.build()))
        .build()
}
