#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

// Each room adds its own file to this folder, and its list to this one.
let properties: [Property] =
  memoryProperties + countingProperties + framesProperties + hotPathProperties
  + classifierProperties + ringProperties + flowCacheProperties

let usage = """
  usage: properties list
         properties all|NAME... [--seed N] [--share K]
         properties wire-dissect [--at-ip] < frames.hex
         properties wire-emit [--seed N] [--count M]

  --seed N   the cases follow from N (default 1)
  --share K  one Kth of the cases (default 1: all)
  """

func complain(_ text: String) -> Never {
  print(text)
  exit(64)
}

// Programs beside the properties, for oracles.
switch CommandLine.arguments.dropFirst().first {
case "wire-dissect": exit(wireDissect(Array(CommandLine.arguments.dropFirst(2))))
case "wire-emit": exit(wireEmit(Array(CommandLine.arguments.dropFirst(2))))
default: break
}

var names: [String] = []
var seed: UInt64 = 1
var share = 1
var rest = CommandLine.arguments.dropFirst()
while let word = rest.popFirst() {
  switch word {
  case "--seed":
    guard let text = rest.popFirst(), let value = UInt64(text) else { complain("--seed wants a number\n" + usage) }
    seed = value
  case "--share":
    guard let text = rest.popFirst(), let value = Int(text), value > 0 else {
      complain("--share wants a number of 1 and up\n" + usage)
    }
    share = value
  case "-h", "--help": complain(usage)
  default:
    guard !word.hasPrefix("-") else { complain("unknown option \(word)\n" + usage) }
    names.append(word)
  }
}

if names == ["list"] {
  for property in properties { print("\(property.name): \(property.promise)") }
  exit(0)
}
if names.isEmpty { complain(usage) }
let known = Set(properties.map(\.name))
for name in names where name != "all" && !known.contains(name) { complain("no property is called \(name)") }

var failures = 0
for property in properties where names.contains("all") || names.contains(property.name) {
  let cases = max(1, property.cases / share)
  let start = ContinuousClock.now
  do {
    try property.check(seed, cases)
    let took = start.duration(to: .now).components
    print("pass \(property.name): \(cases) cases, seed \(seed), \(took.seconds) s")
  } catch let counterexample as Counterexample {
    failures += 1
    print("FAIL \(property.name): seed \(seed): \(counterexample.text)")
  } catch {
    failures += 1
    print("FAIL \(property.name): seed \(seed): \(error)")
  }
}
exit(failures == 0 ? 0 : 1)
