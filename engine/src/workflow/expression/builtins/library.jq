# What is defined in jq itself. No definition may call itself or one below it: whatever loops is native, and metered.

def empty: {}[] as $x | .;
def error: error_empty as $x | .;
def error(msgs): (msgs | error_empty) as $x | .;
def true: 0 == 0;
def false: 0 != 0;
def null: [][0];
def not: if . then false else true end;
def select(f): if f then . else empty end;
def tostring: "\(.)";

def isboolean: type == "boolean";
def isnumber: type == "number";
def isstring: type == "string";
def isarray: type == "array";
def isobject: type == "object";
def infinite: 1e1000;
def isinfinite: . == infinite or . == -infinite;
def isvalid(f): try (f | true) catch false;
def abs: if . < 0 then - . end;
def toarray: if isarray then . else [.] end;

def values: select(. != null);
def nulls: select(. == null);
def booleans: select(isboolean);
def numbers: select(isnumber);
def strings: select(isstring);
def arrays: select(isarray);
def objects: select(isobject);
def iterables: select(isarray or isobject);
def scalars: select((isarray or isobject) | not);

def range(from; to): range(from; to; 1);
def range(to): range(0; to);
def recurse: recurse(.[]?);
def recurse(f; cond): recurse(f | select(cond));
def repeat(f): recurse(f);
def while(cond; update): select(cond) | recurse(update | select(cond));
def until(cond; update): recurse(if cond then empty else update end) | select(cond);

def isempty(g): first((g | false), true);
def all(g; cond): isempty(g | cond and empty);
def any(g; cond): isempty(g | cond or empty) | not;
def all(cond): all(.[]; cond);
def any(cond): any(.[]; cond);
def all: all(.[]; .);
def any: any(.[]; .);
def in(xs): . as $x | xs | has($x);
def inside(xs): . as $x | xs | contains($x);
def index($i): indices($i)[0];
def rindex($i): indices($i)[-1];

def paths: skip(1; path(..));
def paths(p): skip(1; path_value(..)) | if .[1] | p then .[0] else empty end;
def leaf_paths: paths(scalars);
def getpath($path): reduce $path[] as $p (.; .[$p]);
def setpath($path; $x): getpath($path) = $x;
def pick(f): . as $in | reduce path(f) as $path (null; setpath($path; $in | getpath($path)));

def map(f): [.[] | f];
def map_values(f): .[] |= f;
def walk(f): .. |= f;
def del(f): delpaths([path(f)]);
def add(f): reduce f as $x (null; . + $x);
def add: add(.[]);
def first: .[0];
def last: .[-1];
def nth(n): .[n];
def nth(n; g): first(skip(n; g));
def combinations: .[][] |= [.] | reduce .[] as $a ([]; . + $a[]);
def combinations($n): [range($n)] as $i | [$i[] as $_ | .] | combinations;
def min_by(f): reduce min_by_or_empty(f) as $x (null; $x);
def max_by(f): reduce max_by_or_empty(f) as $x (null; $x);
def min: min_by(.);
def max: max_by(.);
def unique_by(f): [group_by(f)[] | .[0]];
def unique: unique_by(.);
def transpose: [range([.[] | length] | max // 0) as $i | [.[][$i]]];
def flatten: flatten(128);

def to_entries: [key_values[] as [$key, $value] | {$key, $value}];
def from_entries:
  reduce .[] as $e ({};
    . + {($e | if isobject then (.key // .k // .name // .Name // .Key // .K | if . == null then "null" end) else .[0] end
          | if isstring then . else tojson end):
         ($e | if isobject then (if has("value") then .value elif has("v") then .v else .Value end) else .[1] end)});
def with_entries(f): to_entries | map(f) | from_entries;

def test(re): test(re; "");
def match(re; flags): find(re; flags)[];
def match(re): match(re; "");
def capture(re; flags): match(re; flags) | [.captures[] | select(.name != null) | {key: .name, value: .string}] | from_entries;
def capture(re): capture(re; "");
def scan(re; flags): match(re; "g" + flags) | if .captures == [] then .string else [.captures[].string] end;
def scan(re): scan(re; "");
def split(re; flags): [pieces(re; "g" + flags)[] | strings];
def splits(re; flags): split(re; flags)[];
def splits(re): splits(re; "");
def sub(re; f; flags): reduce pieces(re; flags)[] as $x (""; . + ($x | if isobject then f end));
def sub(re; f): sub(re; f; "");
def gsub(re; f; flags): sub(re; f; "g" + flags);
def gsub(re; f): sub(re; f; "g");
def ascii: [.] | implode;

def todate: strftime("%Y-%m-%dT%H:%M:%SZ");
def fromdate: fromdateiso8601;
def todateiso8601: todate;
def date: todate;
def dateadd(u; n): . + n;
def datesub(u; n): . - n;

def @text: tostring;
def @json: tojson;
def @html: tostring | escape_html;
def @uri: tostring | encode_uri;
def @urid: tostring | decode_uri;
def @base64: tostring | encode_base64;
def @base64d: tostring | decode_base64;
def @csv: [.[] | if isstring then "\"" + (. / "\"" | join("\"\"")) + "\"" elif isarray or isobject then error("cannot put an array or object into csv") elif . == null then "" else tostring end] | join(",");
def @tsv: [.[] | if isarray or isobject then error("cannot put an array or object into tsv") elif . == null then "" else tostring | escape_tsv end] | join("\t");
def @sh: [if isarray then .[] end | if isstring then "'\(escape_sh)'" elif isarray or isobject then error("cannot put an array or object into a shell word") else tostring end] | join(" ");
