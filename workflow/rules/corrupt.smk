# Trained classifiers on corrupted test images; nothing that is trained or chosen depends on them.
rule corrupt:
    input:
        model=rules.train.output.model,
        test=f"{layout.DATA}/test.safetensors",
        meta=f"{layout.DATA}/meta.json",
    output:
        results=layout.CORRUPTION,
    log:
        "logs/corrupt/{dataset}/{bundle}/{model}/{recipe}/seeds{seeds}/{training_set}.{corruption}.log",
    benchmark:
        f"{layout.BENCHMARKS}/corrupt/{{dataset}}/{{bundle}}/{{model}}/{{recipe}}/seeds{{seeds}}/{{training_set}}.{{corruption}}.tsv"
    conda:
        "../../envs/learning.yaml"
    threads: REQUESTS.threads("corrupt")
    resources:
        **REQUESTS.resources("corrupt"),
    params:
        spec=lambda wc: SPECS.corrupt(tested(wc), wc.training_set, wc.corruption),
    script:
        "../scripts/corrupt.py"


# One image in all severities, for a figure. Like preparing data, it needs no GPU.
rule corrupted_images:
    input:
        train=f"{layout.DATA}/train.safetensors",
    output:
        images=layout.CORRUPTED_IMAGES,
    log:
        "logs/corrupted_images/{dataset}/{corruption}.log",
    benchmark:
        f"{layout.BENCHMARKS}/corrupted_images/{{dataset}}/{{corruption}}.tsv"
    conda:
        "../../envs/learning.yaml"
    threads: REQUESTS.threads("prepare_data")
    resources:
        **REQUESTS.resources("prepare_data"),
    params:
        spec=lambda wc: SPECS.corrupted_images(wc.dataset, wc.corruption),
    script:
        "../scripts/corrupted_images.py"
