"""The list of publications that methods come from: key, year, identifier and venue; authors; title."""

LIST = """
# data
alpaydin1998 1998 - UCI Machine Learning Repository
  Ethem Alpaydin and Cenk Kaynak
  Optical recognition of handwritten digits
lecun1998 1998 doi:10.1109/5.726791 Proceedings of the IEEE
  Yann LeCun and Léon Bottou and Yoshua Bengio and Patrick Haffner
  Gradient-based learning applied to document recognition
krizhevsky2009 2009 - Technical report, University of Toronto
  Alex Krizhevsky
  Learning multiple layers of features from tiny images
# generators
ho2020 2020 arXiv:2006.11239 Advances in Neural Information Processing Systems
  Jonathan Ho and Ajay Jain and Pieter Abbeel
  Denoising diffusion probabilistic models
ho2022 2022 arXiv:2207.12598 arXiv
  Jonathan Ho and Tim Salimans
  Classifier-free diffusion guidance
salimans2022 2022 arXiv:2202.00512 ICLR
  Tim Salimans and Jonathan Ho
  Progressive distillation for fast sampling of diffusion models
nichol2021 2021 arXiv:2102.09672 ICML
  Alex Nichol and Prafulla Dhariwal
  Improved denoising diffusion probabilistic models
song2021 2021 arXiv:2010.02502 ICLR
  Jiaming Song and Chenlin Meng and Stefano Ermon
  Denoising diffusion implicit models
lu2022 2022 arXiv:2211.01095 arXiv
  Cheng Lu and Yuhao Zhou and Fan Bao and Jianfei Chen and Chongxuan Li and Jun Zhu
  DPM-Solver++: fast solver for guided sampling of diffusion probabilistic models
lin2024 2024 arXiv:2305.08891 WACV
  Shanchuan Lin and Bingchen Liu and Jiashi Li and Xiao Yang
  Common diffusion noise schedules and sample steps are flawed
rombach2022 2022 arXiv:2112.10752 CVPR
  Robin Rombach and Andreas Blattmann and Dominik Lorenz and Patrick Esser and Björn Ommer
  High-resolution image synthesis with latent diffusion models
hu2022 2022 arXiv:2106.09685 ICLR
  Edward J. Hu and Yelong Shen and Phillip Wallis and Zeyuan Allen-Zhu and others
  LoRA: low-rank adaptation of large language models
gal2023 2023 arXiv:2208.01618 ICLR
  Rinon Gal and Yuval Alaluf and Yuval Atzmon and Or Patashnik and others
  An image is worth one word: personalizing text-to-image generation using textual inversion
# classifiers and their training
he2015 2015 arXiv:1502.01852 ICCV
  Kaiming He and Xiangyu Zhang and Shaoqing Ren and Jian Sun
  Delving deep into rectifiers: surpassing human-level performance on ImageNet classification
yang2021 2021 arXiv:2011.14522 ICML
  Greg Yang and Edward J. Hu
  Feature learning in infinite-width neural networks
he2016 2016 arXiv:1512.03385 CVPR
  Kaiming He and Xiangyu Zhang and Shaoqing Ren and Jian Sun
  Deep residual learning for image recognition
dosovitskiy2021 2021 arXiv:2010.11929 ICLR
  Alexey Dosovitskiy and Lucas Beyer and Alexander Kolesnikov and Dirk Weissenborn and others
  An image is worth 16x16 words: transformers for image recognition at scale
simonyan2015 2015 arXiv:1409.1556 ICLR
  Karen Simonyan and Andrew Zisserman
  Very deep convolutional networks for large-scale image recognition
sandler2018 2018 arXiv:1801.04381 CVPR
  Mark Sandler and Andrew Howard and Menglong Zhu and Andrey Zhmoginov and Liang-Chieh Chen
  MobileNetV2: inverted residuals and linear bottlenecks
tan2019 2019 arXiv:1905.11946 ICML
  Mingxing Tan and Quoc V. Le
  EfficientNet: rethinking model scaling for convolutional neural networks
kingma2015 2015 arXiv:1412.6980 ICLR
  Diederik P. Kingma and Jimmy Ba
  Adam: a method for stochastic optimization
loshchilov2019 2019 arXiv:1711.05101 ICLR
  Ilya Loshchilov and Frank Hutter
  Decoupled weight decay regularization
loshchilov2017 2017 arXiv:1608.03983 ICLR
  Ilya Loshchilov and Frank Hutter
  SGDR: stochastic gradient descent with warm restarts
clark2020 2020 arXiv:2003.10555 ICLR
  Kevin Clark and Minh-Thang Luong and Quoc V. Le and Christopher D. Manning
  ELECTRA: pre-training text encoders as discriminators rather than generators
szegedy2015 2015 arXiv:1409.4842 CVPR
  Christian Szegedy and Wei Liu and Yangqing Jia and Pierre Sermanet and others
  Going deeper with convolutions
# features, scores, filters
szegedy2016 2016 arXiv:1512.00567 CVPR
  Christian Szegedy and Vincent Vanhoucke and Sergey Ioffe and Jon Shlens and Zbigniew Wojna
  Rethinking the Inception architecture for computer vision
oquab2024 2024 arXiv:2304.07193 Transactions on Machine Learning Research
  Maxime Oquab and Timothée Darcet and Théo Moutakanni and Huy Vo and others
  DINOv2: learning robust visual features without supervision
radford2021 2021 arXiv:2103.00020 ICML
  Alec Radford and Jong Wook Kim and Chris Hallacy and Aditya Ramesh and others
  Learning transferable visual models from natural language supervision
salimans2016 2016 arXiv:1606.03498 Advances in Neural Information Processing Systems
  Tim Salimans and Ian Goodfellow and Wojciech Zaremba and Vicki Cheung and Alec Radford and Xi Chen
  Improved techniques for training GANs
heusel2017 2017 arXiv:1706.08500 Advances in Neural Information Processing Systems
  Martin Heusel and Hubert Ramsauer and Thomas Unterthiner and Bernhard Nessler and Sepp Hochreiter
  GANs trained by a two time-scale update rule converge to a local Nash equilibrium
chong2020 2020 arXiv:1911.07023 CVPR
  Min Jin Chong and David Forsyth
  Effectively unbiased FID and Inception score and where to find them
binkowski2018 2018 arXiv:1801.01401 ICLR
  Mikołaj Bińkowski and Danica J. Sutherland and Michael Arbel and Arthur Gretton
  Demystifying MMD GANs
jayasumana2024 2024 arXiv:2401.09603 CVPR
  Sadeep Jayasumana and Srikumar Ramalingam and Andreas Veit and Daniel Glasner and Ayan Chakrabarti and Sanjiv Kumar
  Rethinking FID: towards a better evaluation metric for image generation
kynkaanniemi2019 2019 arXiv:1904.06991 Advances in Neural Information Processing Systems
  Tuomas Kynkäänniemi and Tero Karras and Samuli Laine and Jaakko Lehtinen and Timo Aila
  Improved precision and recall metric for assessing generative models
naeem2020 2020 arXiv:2002.09797 ICML
  Muhammad Ferjad Naeem and Seong Joon Oh and Youngjung Uh and Yunjey Choi and Jaejun Yoo
  Reliable fidelity and diversity metrics for generative models
hessel2021 2021 arXiv:2104.08718 EMNLP
  Jack Hessel and Ari Holtzman and Maxwell Forbes and Ronan Le Bras and Yejin Choi
  CLIPScore: a reference-free evaluation metric for image captioning
gonzalez1985 1985 doi:10.1016/0304-3975(85)90224-5 Theoretical Computer Science
  Teofilo F. Gonzalez
  Clustering to minimize the maximum intercluster distance
sener2018 2018 arXiv:1708.00489 ICLR
  Ozan Sener and Silvio Savarese
  Active learning for convolutional neural networks: a core-set approach
# looking into networks, corrupted images
michel2019 2019 arXiv:1905.10650 Advances in Neural Information Processing Systems
  Paul Michel and Omer Levy and Graham Neubig
  Are sixteen heads really better than one?
abnar2020 2020 arXiv:2005.00928 ACL
  Samira Abnar and Willem Zuidema
  Quantifying attention flow in transformers
selvaraju2017 2017 arXiv:1610.02391 ICCV
  Ramprasaath R. Selvaraju and Michael Cogswell and Abhishek Das and Ramakrishna Vedantam and others
  Grad-CAM: visual explanations from deep networks via gradient-based localization
chattopadhay2018 2018 arXiv:1710.11063 WACV
  Aditya Chattopadhay and Anirban Sarkar and Prantik Howlader and Vineeth N. Balasubramanian
  Grad-CAM++: improved visual explanations for deep convolutional networks
wang2020 2020 arXiv:1910.01279 CVPR Workshops
  Haofan Wang and Zifan Wang and Mengnan Du and Fan Yang and others
  Score-CAM: score-weighted visual explanations for convolutional neural networks
muhammad2020 2020 arXiv:2008.00299 IJCNN
  Mohammed Bany Muhammad and Mohammed Yeasin
  Eigen-CAM: class activation map using principal components
petsiuk2018 2018 arXiv:1806.07421 BMVC
  Vitali Petsiuk and Abir Das and Kate Saenko
  RISE: randomized input sampling for explanation of black-box models
hendrycks2019 2019 arXiv:1903.12261 ICLR
  Dan Hendrycks and Thomas Dietterich
  Benchmarking neural network robustness to common corruptions and perturbations
lore2017 2017 doi:10.1016/j.patcog.2016.06.008 Pattern Recognition
  Kin Gwn Lore and Adedotun Akintayo and Soumik Sarkar
  LLNet: a deep autoencoder approach to natural low-light image enhancement
devries2017 2017 arXiv:1708.04552 arXiv
  Terrance DeVries and Graham W. Taylor
  Improved regularization of convolutional neural networks with Cutout
# learning curves and double descent
belkin2019 2019 doi:10.1073/pnas.1903070116 Proceedings of the National Academy of Sciences
  Mikhail Belkin and Daniel Hsu and Siyuan Ma and Soumik Mandal
  Reconciling modern machine-learning practice and the classical bias-variance trade-off
nakkiran2020 2020 arXiv:1912.02292 ICLR
  Preetum Nakkiran and Gal Kaplun and Yamini Bansal and Tristan Yang and Boaz Barak and Ilya Sutskever
  Deep double descent: where bigger models and more data hurt
hestness2017 2017 arXiv:1712.00409 arXiv
  Joel Hestness and Sharan Narang and Newsha Ardalani and Gregory Diamos and others
  Deep learning scaling is predictable, empirically
# statistics
holm1979 1979 - Scandinavian Journal of Statistics
  Sture Holm
  A simple sequentially rejective multiple test procedure
owen2007 2007 doi:10.1214/07-AOAS122 The Annals of Applied Statistics
  Art B. Owen
  The pigeonhole bootstrap
nadeau2003 2003 doi:10.1023/A:1024068626366 Machine Learning
  Claude Nadeau and Yoshua Bengio
  Inference for the generalization error
# workflow and energy
molder2021 2021 doi:10.12688/f1000research.29032 F1000Research
  Felix Mölder and Kim Philipp Jablonski and Brice Letcher and Michael B. Hall and others
  Sustainable data analysis with Snakemake
lannelongue2021 2021 doi:10.1002/advs.202100707 Advanced Science
  Loïc Lannelongue and Jason Grealey and Michael Inouye
  Green algorithms: quantifying the carbon footprint of computation
"""
