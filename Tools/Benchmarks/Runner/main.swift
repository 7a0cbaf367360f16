#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

// Each room adds its own file to this folder, and its list to this one.
let benches: [Bench] =
  wireBenches + framesBenches + classifierBenches + datapathBenches + ringBenches + portBenches + plannerBenches
  + takeoverBenches + ringToRingBenches

let usage = """
  usage: benchmarks list
         benchmarks all|NAME... [--rounds N] [--seed N] [--quick]
  """

func complain(_ text: String) -> Never {
  print(text)
  exit(64)
}

var options = BenchOptions()
var names: [String] = []
var rest = CommandLine.arguments.dropFirst()
while let word = rest.popFirst() {
  switch word {
  case "--rounds":
    guard let text = rest.popFirst(), let value = Int(text), value > 0 else { complain("--rounds N\n" + usage) }
    options.rounds = value
  case "--seed":
    guard let text = rest.popFirst(), let value = UInt64(text) else { complain("--seed N\n" + usage) }
    options.seed = value
  case "--quick":
    options.quick = true
    options.rounds = 1
  case "-h", "--help": complain(usage)
  default:
    guard !word.hasPrefix("-") else { complain("unknown option \(word)\n" + usage) }
    names.append(word)
  }
}
if names == ["list"] {
  for bench in benches { print("\(bench.name): \(bench.what)") }
  exit(0)
}
if names.isEmpty { complain(usage) }
let known = Set(benches.map(\.name))
for name in names where name != "all" && !known.contains(name) { complain("no benchmark is called \(name)") }
var failures = 0
for bench in benches where names.contains("all") || names.contains(bench.name) {
  do { try bench.run(options) } catch {
    failures += 1
    print("FAIL \(bench.name): \(error)")
  }
}
exit(failures == 0 ? 0 : 1)
