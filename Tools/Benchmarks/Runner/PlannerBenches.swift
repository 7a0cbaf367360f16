import CShim
import Control
import Device
import EmulatedDevice
import Offload
import Rules

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#endif

/// The planner's and the manager's benchmarks.
let plannerBenches = [
  Bench(
    name: "planner-100k",
    what: "100,000 rules planned, given to the emulated device, polled, and planned again after 1,000 changed"
  ) { options in try measurePlanner(options) }
]

/// What one profile cost.
private struct PlannerCost {
  var plan: [Double] = []
  var planBytes = 0
  var apply: [Double] = []
  var idlePoll: [Double] = []
  var counters: [Double] = []
  var again: [Double] = []
  var change: [Double] = []
  var managerBytes = 0
}

private func measurePlanner(_ options: BenchOptions) throws {
  let count = options.quick ? 5_000 : 100_000
  let changed = count / 100
  var isMeasured = false
  for name in ["ideal", "bluefield3-hws", "bluefield3-sws", "e810-dpdk"] {
    let profile = try ProfileCatalog.choose(name, folder: nil).profile
    var cost = PlannerCost(), places = ""
    for round in 0..<min(options.rounds, 3) {
      places = try measure(profile, count, changed, seed: options.seed &+ UInt64(round), isMeasured: &isMeasured, &cost)
    }
    print("\(name): \(count) rules, \(places)")
    line("plan", cost.plan, "ms", cost.planBytes / count, "bytes a rule")
    line("apply to the emulated device", cost.apply, "ms", cost.managerBytes / count, "bytes a rule, the device's too")
    line("poll with nothing due", cost.idlePoll, "ms")
    line("read all counters", cost.counters, "ms")
    line("plan after \(changed) changed", cost.again, "ms")
    line("apply after \(changed) changed", cost.change, "ms")
  }
}

private func line(_ name: String, _ values: [Double], _ unit: String, _ bytes: Int = 0, _ what: String = "") {
  print("  \(pad(name, 34)) \(decimals(median(values))) \(unit)" + (bytes > 0 ? "   \(bytes) \(what)" : ""))
}

private func milliseconds(_ body: () -> Void) -> Double { cyclesOf(body) / ticksPerNanosecond / 1e6 }

private func measure(
  _ profile: DeviceProfile, _ count: Int, _ changed: Int, seed: UInt64, isMeasured: inout Bool,
  _ cost: inout PlannerCost
) throws -> String {
  var random = KeyGenerator(seed: seed)
  let overlay = plannerOverlay()
  var rules = (0..<count).map { (id: UInt32($0 + 1), rule: tenantRule($0, &random)) }
  let before = residentBytes()
  var plan: Plan?
  cost.plan.append(milliseconds { plan = Planner.plan(rules: rules, overlay: overlay, profile: profile) })
  guard let first = plan else { return "" }
  let planned = residentBytes()
  // Later rounds, and profiles after the first, have what was freed before: only fresh memory tells.
  let isFresh = !isMeasured
  isMeasured = true
  if isFresh { cost.planBytes = planned - before }
  let device = try EmulatedDevice(abilities: profile.abilities, overlay: first.deviceOverlay, seed: seed)
  var manager = OffloadManager(device: SplittingDevice(device, plan: first))
  var now: UInt64 = 1_000_000_000
  cost.apply.append(
    milliseconds {
      manager.apply(first, now: now)
      while manager.isBusy {
        now += 1_000_000_000
        manager.poll(now: now)
      }
    })
  if isFresh { cost.managerBytes = residentBytes() - planned }
  _ = manager.takeMoves()
  now += 1_000_000_000
  cost.idlePoll.append(milliseconds { manager.poll(now: now) })
  cost.counters.append(milliseconds { manager.readCounters(now: now) })
  for _ in 0..<changed {
    let place = random.below(count)
    rules[place].rule = tenantRule(place + count, &random)
  }
  cost.again.append(milliseconds { plan = Planner.plan(rules: rules, overlay: overlay, profile: profile) })
  guard let second = plan else { return "" }
  cost.change.append(
    milliseconds {
      manager.apply(second, now: now)
      while manager.isBusy {
        now += 1_000_000_000
        manager.poll(now: now)
      }
    })
  let places: [Place] = [.hardware, .partial, .guarded, .software]
  return places.map { "\(manager.count($0)) \($0.rawValue)" }.joined(separator: ", ")
}

/// A tenant's flow to a host elsewhere: a 5-tuple, a count, one of 64 tunnels, the uplink.
private func tenantRule(_ number: Int, _ random: inout KeyGenerator) -> Rule {
  var ip = IPv4Item(), l4 = L4Item(), attributes = Attributes()
  ip.src = Field(0x0a00_0000 | UInt32(random.below(1 << 24)))
  ip.dst = Field(0x0a00_0000 | UInt32(number))
  (l4.src, l4.dst) = (Field(UInt16(random.below(65536))), Field(443))
  attributes.transfer = true
  return Rule(
    attributes: attributes, pattern: [.representedPort(Field(1)), .eth(EthItem()), .ipv4(ip), .udp(l4)],
    actions: [.count(id: 0), .rawEncap(index: UInt16(number % 64)), .representedPort(0)])
}

private func plannerOverlay() -> Overlay {
  var overlay = Overlay(), policy = EncapsulationPolicy()
  // What no profile of a device does.
  policy.udpChecksum = .off
  for index in UInt16(0)..<64 {
    var geneve = GeneveItem()
    geneve.vni = Field(UInt32(index) + 100, mask: 0xff_ffff)
    var ip = IPv4Item()
    (ip.src, ip.dst, ip.ttl) = (Field(0xc633_6401), Field(0xc633_6500 | UInt32(index)), Field(64))
    let items: [Item] = [.eth(EthItem()), .ipv4(ip), .udp(L4Item()), .geneve(geneve)]
    overlay.encapsulations[index] = try? EncapsulationBuilder.encapsulation(of: items, policy: policy)
  }
  overlay.ports = [Port(id: 0, kind: .uplink), Port(id: 1, kind: .tenant)]
  return overlay
}
