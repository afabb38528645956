# A generator sees the whole train split (group "all"), or is trained once per classifier seed on that seed's own
# few images (group "seeds0-5": one job, one network per seed).


rule train_generator:
    input:
        train=f"{layout.DATA}/train.safetensors",
        meta=f"{layout.DATA}/meta.json",
    output:
        index=f"{layout.GENERATOR}/all/model_index.json",
        config=f"{layout.GENERATOR}/all/unet/config.json",
        weights=f"{layout.GENERATOR}/all/unet/diffusion_pytorch_model.safetensors",
        scheduler=f"{layout.GENERATOR}/all/scheduler/scheduler_config.json",
        history=f"{layout.GENERATOR}/all/history.csv",
    log:
        "logs/train_generator/{dataset}/{generator}/all.log",
    benchmark:
        f"{layout.BENCHMARKS}/train_generator/{{dataset}}/{{generator}}/all.tsv"
    wildcard_constraints:
        generator=trained_by("ddpm"),
    priority: 10  # nearly everything waits for generators
    conda:
        "../../envs/learning.yaml"
    threads: REQUESTS.threads("train_generator")
    resources:
        **REQUESTS.resources("train_generator"),
    params:
        spec=lambda wc: SPECS.generator(wc.dataset, wc.generator, "all"),
    script:
        "../scripts/train_generator.py"


use rule train_generator as train_generator_by_seed with:
    output:
        config=f"{layout.GENERATOR}/{{group}}/unet/config.json",
        weights=f"{layout.GENERATOR}/{{group}}/unet/weights_by_seed.safetensors",
        scheduler=f"{layout.GENERATOR}/{{group}}/scheduler/scheduler_config.json",
        history=f"{layout.GENERATOR}/{{group}}/history.csv",
    log:
        "logs/train_generator/{dataset}/{generator}/{group}.log",
    benchmark:
        f"{layout.BENCHMARKS}/train_generator/{{dataset}}/{{generator}}/{{group}}.tsv"
    wildcard_constraints:
        generator=trained_by("ddpm"),
        group="seeds[0-9-]+",
    params:
        spec=lambda wc: SPECS.generator(wc.dataset, wc.generator, wc.group),


# A small text-to-image pipeline.
use rule train_generator as train_text2image with:
    output:
        **{name: f"{layout.GENERATOR}/all/{path}" for name, path in layout.PIPELINE.items()},
        history=f"{layout.GENERATOR}/all/history.csv",
    wildcard_constraints:
        generator=trained_by("train_from_scratch"),


# What fine-tuning adds to a published pipeline.
use rule train_generator as train_lora with:
    output:
        adapter=f"{layout.GENERATOR}/all/{layout.ADAPTERS['lora']}",
        history=f"{layout.GENERATOR}/all/history.csv",
    wildcard_constraints:
        generator=trained_by("lora"),


use rule train_generator as train_textual_inversion with:
    output:
        adapter=f"{layout.GENERATOR}/all/{layout.ADAPTERS['textual_inversion']}",
        history=f"{layout.GENERATOR}/all/history.csv",
    wildcard_constraints:
        generator=trained_by("textual_inversion"),


rule generate:
    input:
        unpack(lambda wc: PRODUCTS.generator_files(wc.dataset, wc.pool, wc.group)),
        meta=f"{layout.DATA}/meta.json",
    output:
        shard=kept("pools", f"{layout.POOL}/{{group}}/shard-{{shard}}.parquet"),
    log:
        "logs/generate/{dataset}/{pool}/{group}/{shard}.log",
    benchmark:
        f"{layout.BENCHMARKS}/generate/{{dataset}}/{{pool}}/{{group}}/{{shard}}.tsv"
    priority: 5
    conda:
        "../../envs/learning.yaml"
    threads: REQUESTS.threads("generate")
    resources:
        **REQUESTS.resources("generate"),
    params:
        spec=lambda wc: SPECS.shard(wc.dataset, wc.pool, wc.group, int(wc.shard)),
    script:
        "../scripts/generate.py"
