/// What Datapath measures.
let datapathBenches: [Bench] = [
  Bench(
    name: "datapath",
    what: "the whole software way of a 64-byte frame: tenant to uplink in Geneve with one option, and back",
    run: { options in try runDatapath(options) })
]

/// The ways that are measured: those with a bound first.
private func runDatapath(_ options: BenchOptions) throws {
  print("datapath: TSC cycles a frame, bursts of 32, counters, aging, ECN, MTU check, entropy and named drops on")
  let few = options.quick ? 100 : 1000
  let many = options.quick ? 1000 : 1_000_000
  let ways: [(String, DatapathWay, Double?)] = [
    ("tenant to uplink, 1000 flows", DatapathWay(flows: few), 45),
    ("uplink to tenant, 1000 flows", DatapathWay(flows: few, isBack: true), 70),
    ("to uplink, UDP checksum", DatapathWay(flows: few, sumsUDP: true), nil),
    ("to tenant, UDP checksum", DatapathWay(flows: few, isBack: true, sumsUDP: true), nil),
    ("to uplink over IPv6, UDP checksum", DatapathWay(flows: few, isIPv6: true, sumsUDP: true), nil),
    ("to tenant over IPv6, UDP checksum", DatapathWay(flows: few, isBack: true, isIPv6: true, sumsUDP: true), nil),
    ("to uplink, 1 M flows uniform", DatapathWay(flows: many), nil),
    ("to uplink, 1 M flows Zipf 1.0", DatapathWay(flows: many, isZipf: true), nil),
    ("to tenant, 1 M flows uniform", DatapathWay(flows: many, isBack: true), nil),
    ("to tenant, 1 M flows Zipf 1.0", DatapathWay(flows: many, isBack: true, isZipf: true), nil),
  ]
  for (name, way, bound) in ways {
    var rig = try DatapathRig(way, seed: options.seed)
    let cycles = rig.measure(rounds: options.rounds, bursts: options.quick ? 20 : 2000)
    let wanted = bound.map { "   at most \(decimals($0))" } ?? ""
    print("  \(pad(name, 36)) \(decimals(median(cycles)))\(wanted)")
    guard rig.wrong == 0 else { throw DatapathBenchError.wrong(rig.wrong) }
  }
}

/// Why a measurement does not count.
enum DatapathBenchError: Error, CustomStringConvertible {
  /// Frames did not come out as they should.
  case wrong(Int)

  var description: String {
    switch self {
    case .wrong(let count): "\(count) frames did not come out of the port they should"
    }
  }
}
