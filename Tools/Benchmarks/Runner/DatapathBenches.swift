/// What Datapath measures.
let datapathBenches: [Bench] = [
  Bench(
    name: "datapath",
    what: "the whole software way of a 64-byte frame: tenant to uplink in Geneve with one option, and back",
    run: { options in try runDatapath(options, thousandFlows(options)) }),
  Bench(
    name: "datapath-million", what: "the same with a million flows, uniform and Zipf 1.0",
    run: { options in try runDatapath(options, millionFlows(options)) }),
]

private typealias Measured = (name: String, way: DatapathWay, bound: Double?)

/// The ways that are measured with a thousand flows: those with a bound first.
private func thousandFlows(_ options: BenchOptions) -> [Measured] {
  let flows = options.quick ? 100 : 1000
  return [
    ("tenant to uplink, 1000 flows", DatapathWay(flows: flows), 45),
    ("uplink to tenant, 1000 flows", DatapathWay(flows: flows, isBack: true), 70),
    ("to uplink, UDP checksum", DatapathWay(flows: flows, sumsUDP: true), nil),
    ("to tenant, UDP checksum", DatapathWay(flows: flows, isBack: true, sumsUDP: true), nil),
    ("to uplink over IPv6, UDP checksum", DatapathWay(flows: flows, isIPv6: true, sumsUDP: true), nil),
    ("to tenant over IPv6, UDP checksum", DatapathWay(flows: flows, isBack: true, isIPv6: true, sumsUDP: true), nil),
  ]
}

private func millionFlows(_ options: BenchOptions) -> [Measured] {
  let flows = options.quick ? 1000 : 1_000_000
  return [
    ("to uplink, 1 M flows uniform", DatapathWay(flows: flows), nil),
    ("to uplink, 1 M flows Zipf 1.0", DatapathWay(flows: flows, isZipf: true), nil),
    ("the same without a flow cache", DatapathWay(flows: flows, isZipf: true, hasCache: false), nil),
    ("to tenant, 1 M flows uniform", DatapathWay(flows: flows, isBack: true), nil),
    ("to tenant, 1 M flows Zipf 1.0", DatapathWay(flows: flows, isBack: true, isZipf: true), nil),
  ]
}

private func runDatapath(_ options: BenchOptions, _ ways: [Measured]) throws {
  print("TSC cycles a frame, bursts of 32; counters, aging, ECN, MTU check, entropy and named drops on")
  for (name, way, bound) in ways {
    var rig = try DatapathRig(way, seed: options.seed)
    let cycles = rig.measure(rounds: options.rounds, bursts: options.quick ? 20 : 2000)
    let wanted = bound.map { "   at most \(decimals($0))" } ?? ""
    print(
      "  \(pad(name, 36)) \(decimals(median(cycles)))  best round \(decimals(cycles.min() ?? 0))  known \(Int(rig.recognised)) %\(wanted)"
    )
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
