/// What Wire measures.
let wireBenches: [Bench] = [wireParseBench, wireChecksumBench]
