# A leaf: it may read test images, and nothing that is trained or chosen depends on it.
rule explain:
    input:
        model=rules.train.output.model,
        train=f"{layout.DATA}/train.safetensors",
        test=f"{layout.DATA}/test.safetensors",
        meta=f"{layout.DATA}/meta.json",
    output:
        explanation=layout.EXPLANATION,
    log:
        "logs/explain/{dataset}/{bundle}/{model}/{recipe}/seeds{seeds}/{training_set}.{explainer}.log",
    benchmark:
        f"{layout.BENCHMARKS}/explain/{{dataset}}/{{bundle}}/{{model}}/{{recipe}}/seeds{{seeds}}/{{training_set}}.{{explainer}}.tsv"
    conda:
        "../../envs/learning.yaml"
    threads: REQUESTS.threads("explain")
    resources:
        **REQUESTS.resources("explain"),
    params:
        spec=lambda wc: SPECS.explain(tested(wc), wc.training_set, wc.explainer),
    script:
        "../scripts/explain.py"
