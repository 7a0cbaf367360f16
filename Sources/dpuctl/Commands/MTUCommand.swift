import ArgumentParser
import Offload

/// `dpuctl mtu`.
struct MTUCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "mtu", abstract: "Solve the MTU of nested encapsulations, with each header's bytes.",
    discussion: """
      Layers are listed from the outermost inwards: ipv4, ipv6, vlan, geneve[:ovn|gwlb|max|BYTES][:eth|ip], vxlan, \
      gre[:key][:csum][:seq][:eth|ip], nvgre, esp-tunnel, esp-transport, nat-t, wireguard. \
      Example: dpuctl mtu --link 1500 ipv6 esp-transport geneve:ovn
      """)
  @Argument(help: "Layers, outermost first.") var layers: [String] = []
  @Option(help: "L3 MTU of the link, bytes.") var link = 1500
  @Option(help: "Solve the other way: the link MTU that an inner packet of this many bytes needs.") var inner: Int?
  @OptionGroup var output: OutputOptions

  func run() throws {
    try output.run {
      let solver = MTUSolver(try layers.map { try MTULayer(parsing: $0) })
      let outer = try inner.map { try solver.outer(inner: $0) } ?? link
      let (left, steps) = try solver.solve(outer: outer)
      let document = Document(
        linkMtuBytes: outer, innerMtuBytes: left,
        steps: steps.map { .init(header: $0.name, bytes: $0.bytes, leftBytes: $0.left) })
      try output.emit(document) {
        var table = Table(header: ["HEADER", "BYTES", "LEFT"])
        table.rows = [["link", "", "\(outer)"]] + document.steps.map { [$0.header, "\($0.bytes)", "\($0.leftBytes)"] }
        return table.text() + "\n\ninner MTU \(left) on a link of \(outer)"
      }
    }
  }

  private struct Document: Encodable {
    struct Step: Encodable {
      var header: String
      var bytes: Int
      var leftBytes: Int
    }
    var schemaVersion = 1
    var linkMtuBytes: Int
    var innerMtuBytes: Int
    var steps: [Step]
  }
}
